"""CSV files as sides: their types, files of a header only, files that cannot be parsed."""

from __future__ import annotations

from pathlib import Path

import pytest

import reconcile
from contract.errors import SetupError


@pytest.mark.parametrize("swapped", [False, True], ids=["the right", "the left"])
def test_a_csv_of_a_header_only_takes_the_other_sides_types(tmp_path: Path, swapped: bool) -> None:
    (tmp_path / "empty.csv").write_text("id,v,other\n")
    (tmp_path / "full.csv").write_text("id,w\n1,2024-01-01\n2,2024-01-02\n")
    paths = [tmp_path / "full.csv", tmp_path / "empty.csv"]
    names = {"w": "v"}
    if swapped:
        paths, names = paths[::-1], {"v": "w"}
    found = reconcile.diff(
        *paths, key="id", names=names, compute_left={"next": "id + 1"}, compute_right={"next": "id + 1"}
    )
    counts = found.summary["counts"]
    assert (counts["missing"], counts["extra"]) == ((0, 2) if swapped else (2, 0))
    assert [finding["column"] for finding in found.summary["schema"]] == ["other"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_that_cannot_be_parsed_is_refused_with_the_line(tmp_path: Path, delimiter: str) -> None:
    """DuckDB alone takes it for one column, 'id,v'."""
    (tmp_path / "good.csv").write_text("id,v\n1,a\n")
    (tmp_path / "bad.csv").write_text('id,v\n1,a,b,c\n2,"open\n3,c\n'.replace(",", delimiter))
    with pytest.raises(SetupError, match=r"bad.csv' cannot be read: .*on Line: 2"):
        reconcile.diff(tmp_path / "good.csv", tmp_path / "bad.csv", key="id")


def test_a_csv_of_one_column_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text('"id,v"\na\nb\n')
    assert reconcile.diff(tmp_path / "one.csv", tmp_path / "one.csv", key="id,v").summary["counts"]["match"] == 2


def test_types_of_a_csv_come_from_all_rows(tmp_path: Path) -> None:
    """A sniffer that looks at the first rows only would fail at the last one."""
    file = tmp_path / "late.csv"
    file.write_text("id,v\n" + "".join(f"{i},1\n" for i in range(60_000)) + "60000,x\n")
    assert reconcile.diff(file, file, "id").summary["counts"]["match"] == 60_001
