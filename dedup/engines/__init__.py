"""Where work on person buckets runs: one after the other in this process."""

from dedup.engines.local import each_bucket

__all__ = ["each_bucket"]
