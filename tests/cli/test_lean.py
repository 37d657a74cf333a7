"""Commands do without pandas, and DuckDB, pyarrow and polars do without it, too."""

from __future__ import annotations

import subprocess
import sys

USE = """
import sys
from dedup.cli.lean import leave_out_pandas
leave_out_pandas()
import duckdb, polars, pyarrow
con = duckdb.connect()
con.register("made", pyarrow.table({"a": [1, 2]}))
assert con.execute("SELECT sum(a) + ? FROM made", [1]).fetchall() == [(4,)]
assert con.execute("FROM made").pl().height == polars.DataFrame({"a": [1, 2]}).to_arrow().num_rows
assert "pandas" not in sys.modules
try:
    import pandas
except ImportError:
    print("left out")
"""


def test_pandas_is_left_out() -> None:
    said = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, check=True)
    assert said.stdout == "left out\n"
