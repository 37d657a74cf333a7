"""An invented world: people, hospitals, orders, and the truth about them. For the demo, tests and benchmarks.

Nobody in it is real. The same seed gives the same bytes.
"""

from dedup.simulation.samples import SAMPLE, make_samples, samples_dir
from dedup.simulation.simulate import FORMATS, SimulationSummary, simulate

__all__ = ["FORMATS", "SAMPLE", "SimulationSummary", "make_samples", "samples_dir", "simulate"]
