"""Finds lab orders that repeat a recent, still-valid test done at another hospital."""
