"""Frames and exports for research. Reads the public tables; writes none."""

from dedup.research.exporting import export
from dedup.research.study import Study, open_study

__all__ = ["Study", "export", "open_study"]
