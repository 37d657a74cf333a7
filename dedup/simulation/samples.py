"""The small world that comes with the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dedup.simulation.simulate import SimulationSummary

__all__ = ["SAMPLE", "make_samples", "samples_dir"]

#: How data/samples/world was made: ``python -m dedup.simulation data/samples/world``, its folders removed first.
SAMPLE: dict[str, Any] = {"persons": 1600, "seed": 1, "days": 91, "file_days": 28}


def samples_dir() -> Path:
    """The samples: in an installed package ``dedup/samples``, in a work tree ``data/samples``."""
    package = Path(__file__).parents[1]
    installed = package / "samples"
    return installed if installed.is_dir() else package.parent / "data" / "samples"


def make_samples(out: Path) -> SimulationSummary:
    """Write the sample world anew, byte for byte."""
    from dedup.simulation.simulate import simulate

    return simulate(out=out, **SAMPLE)
