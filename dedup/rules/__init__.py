"""What a repeat is: the catalogue, and judging every order line by it."""

from dedup.rules.flagging import FlagSummary, flag
from dedup.rules.keeping import Period, forget
from dedup.rules.tracing import Trace, trace

__all__ = ["FlagSummary", "Period", "Trace", "flag", "forget", "trace"]
