"""Loading: one file per input format, FORMATS; landing, parsing, quarantine, reconciliation."""

from dedup.loading.forgetting import forget
from dedup.loading.loading import SensitiveCode, load
from dedup.loading.register import load_register
from dedup.loading.summary import DeliverySummary, LoadSummary

__all__ = ["DeliverySummary", "LoadSummary", "SensitiveCode", "forget", "load", "load_register"]
