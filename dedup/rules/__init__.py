"""What a repeat is: the catalogue, and judging every order line by it."""

from dedup.rules.flagging import FlagSummary, flag

__all__ = ["FlagSummary", "flag"]
