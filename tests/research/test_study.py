"""The Python API: read-only, pseudonymous, three kinds of frames."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas
import polars
import pytest

import dedup
from dedup.errors import WarehouseError
from dedup.warehouse import open_warehouse
from tests.research.conftest import ORDERS


def test_frames(database: Path) -> None:
    with dedup.open(database) as study:
        assert isinstance(study.flags().pl(), polars.DataFrame)
        assert isinstance(study.orders().df(), pandas.DataFrame)
        assert study.flags().aggregate("count(*)").fetchone() == (2 * len(ORDERS),)
        assert study.orders().pl().height == len(ORDERS)


def test_no_identity(database: Path) -> None:
    with dedup.open(str(database)) as study:
        for relation in (study.flags(), study.orders(), study.patients()):
            assert not {"patient_id", "name", "national_id", "id_number", "phone"} & set(relation.columns)
            assert "canary" not in str(relation.fetchall())


def test_read_only(database: Path) -> None:
    with dedup.open(database) as study, pytest.raises(duckdb.Error):
        study._warehouse.con.execute("DELETE FROM flag")


def test_repr_shows_no_data(database: Path) -> None:
    with dedup.open(database) as study:
        assert repr(study) == "Study('w.duckdb')"


def test_reads_the_last_finished_night(database: Path) -> None:
    with open_warehouse(database) as night:
        night.publish(1)
    with open_warehouse(database) as running:
        running.con.execute("DELETE FROM flag")
        with dedup.open(database) as study:
            assert study.flags().aggregate("count(*)").fetchone() == (2 * len(ORDERS),)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError):
        dedup.open(tmp_path / "none.duckdb")
