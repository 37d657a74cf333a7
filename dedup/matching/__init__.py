"""Matching: which patient records, over all facilities, are one person."""

from dedup.matching.stage import MatchSummary, match

__all__ = ["MatchSummary", "match"]
