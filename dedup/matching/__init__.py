"""Matching: which patient records, over all facilities, are one person."""

from dedup.matching.evaluating import Evaluation, evaluate
from dedup.matching.explaining import PairExplanation, Step, explain_lines, explain_pair
from dedup.matching.reviewing import Wording, review_export, review_import
from dedup.matching.stage import MatchSummary, forget, match

__all__ = [
    "Evaluation",
    "MatchSummary",
    "PairExplanation",
    "Step",
    "Wording",
    "evaluate",
    "explain_lines",
    "explain_pair",
    "forget",
    "match",
    "review_export",
    "review_import",
]
