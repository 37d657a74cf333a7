"""Finds lab orders that repeat a recent, still-valid test done at another hospital.

The public Python API: ``open`` a warehouse for study, ``run`` the nightly work.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dedup.pipeline import RunSummary
    from dedup.research.study import Study
    from dedup.settings import Settings

__all__ = ["__version__", "open", "run"]

__version__ = importlib.metadata.version("dedup")


def open(path: str | os.PathLike[str]) -> Study:
    """Open the warehouse at ``path`` for study: read-only and pseudonymous.

    Raises WarehouseError when there is none. See ``dedup.research.Study``.
    """
    from dedup.research.study import open_study

    return open_study(path)


def run(
    inputs: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str], settings: Settings | None = None
) -> RunSummary:
    """Load ``inputs``, match patients and flag repeats in the warehouse at ``path``, which is made if need be.

    Raises the errors of ``dedup.errors``; ``settings`` are those of dedup.toml, the defaults when None.
    """
    from pathlib import Path

    from dedup import pipeline
    from dedup.settings import Settings

    settings = settings or Settings()
    place = settings.warehouse.model_copy(update={"path": Path(path)})
    return pipeline.run([Path(item) for item in inputs], settings.model_copy(update={"warehouse": place}))
