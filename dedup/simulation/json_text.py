"""JSON as column expressions: an object has only the members that are not null."""

from __future__ import annotations

import polars as pl

__all__ = ["array", "member", "members", "quoted"]


def quoted(value: pl.Expr) -> pl.Expr:
    """A JSON string; null stays null."""
    safe = value.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    return pl.lit('"') + safe + pl.lit('"')


def member(name: str, json: pl.Expr | str) -> pl.Expr:
    """``"name":json``; null when the JSON is. A str is the name of a text column."""
    value = quoted(pl.col(json)) if isinstance(json, str) else json
    return pl.lit(f'"{name}":') + value


def members(*parts: pl.Expr) -> pl.Expr:
    """An object of the members that are not null; at least one of them must always be there."""
    return pl.lit("{") + pl.concat_str(*parts, separator=",", ignore_nulls=True) + pl.lit("}")


def array(*items: pl.Expr) -> pl.Expr:
    """An array of the items that are not null; null when all are."""
    joined = pl.concat_str(*items, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(pl.lit("[") + joined + pl.lit("]"))
