"""Loading: one file per input format, FORMATS; landing, parsing, quarantine, reconciliation."""

from dedup.loading.forgetting import forget
from dedup.loading.loading import load
from dedup.loading.register import load_register
from dedup.loading.summary import DeliverySummary, LoadSummary

__all__ = ["DeliverySummary", "LoadSummary", "forget", "load", "load_register"]
