"""`plumbline diff` of times in nanoseconds with a zone, beside microseconds: compared, and shown where they differ."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.cli import run

AT = 1_577_836_800_000_000_000


def written(file: Path, unit: str, at: int) -> str:
    pq.write_table(pa.table({"id": [1], "t": pa.array([at], pa.timestamp(unit, "UTC"))}), file)
    return str(file)


@pytest.mark.parametrize(
    ("unit", "at", "options", "code"),
    [
        ("us", AT // 1000, ("--key", "id"), 0),
        ("us", AT // 1000, ("--key", "t"), 0),
        ("ns", AT + 1, ("--key", "id"), 0),
        ("ns", AT + 999_000, ("--key", "id", "--tolerance", "t=round_to:1 ms"), 0),
        ("ns", AT + 2_000, ("--key", "id"), 1),
        ("ns", AT + 2_000, ("--key", "t"), 1),
    ],
)
def test_nanoseconds_with_a_zone(
    unit: str, at: int, options: tuple[str, ...], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = written(tmp_path / "a.parquet", "ns", AT), written(tmp_path / "b.parquet", unit, at)
    assert run(["diff", *sides, *options]) == code
    assert ("00:00:00.000002" in capsys.readouterr().out) == bool(code)
