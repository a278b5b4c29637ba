"""`plumbline expect` on an aggregate's tables: what the contract implies for windows, keys, counts and shares."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.cli import run as command
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.aggregate_calls import parse_value
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.expectations.line_rules import is_part
from plumbline.expectations.run import run
from tests.support import documents
from tests.support.aggregate_world import LINES, AggregateWorld, Line, contract, drawn

MORE = {"least": "min(plays.seconds)", "timed": "count(plays.seconds)"}
SCHEMA = pa.schema([*LINES, ("least", pa.int64()), ("timed", pa.int64())])
TEXT = contract("left_outer").replace("values: {", f"values: {{{', '.join(f'{n}: {t}' for n, t in MORE.items())}, ")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """Right lines of both columns more."""
    made = AggregateWorld.made(tmp_path_factory.mktemp("lines")).play(*drawn(3)).aggregated().stream_lines
    assert {line["played"] > 0 for line in made} == {True, False}
    return [{**line, "timed": line["played"], "least": 0 if line["played"] else None} for line in made]


def checked(folder: Path, lines: list[Line], schema: pa.Schema = SCHEMA) -> tuple[Contract, Home, list[dict[str, Any]]]:
    """What is said of a stream table of these lines."""
    home, wanted = Home(folder, folder / "jars"), parse(TEXT)
    lake = Lake.open(home)
    lake.ensure_table("agg.stream", schema)
    lake.append("agg.stream", pa.Table.from_pylist(lines, schema=schema))
    return wanted, home, list(run(wanted, home, on=["stream"]).document["tables"]["stream"]["expectations"])


def test_right_lines_keep_every_rule(lines: list[Line], tmp_path: Path) -> None:
    wanted, home, found = checked(tmp_path, lines)
    assert [one["why"] for one in found if not one["success"]] == []
    whys = [one["why"] for one in found]
    assert len(whys) == len(set(zip(whys, (one["column"] for one in found), strict=True)))
    for why in (
        "a window is 10 minutes long",
        "windows of 10 minutes are counted from 1970 in UTC",
        "count(plays.play_id) is a part of count(*)",
        "count(plays.play_id) / count(*) is a share",
        "most is null exactly where timed is 0",
        "the least plays.seconds is not beyond the greatest",
    ):
        assert why in whys
    some = lines[0]["window_start"] + timedelta(minutes=3)
    part = run(wanted, home, TimeRange(some, some + timedelta(minutes=1)), on=["stream"]).document
    assert part["tables"]["stream"]["rows"] == sum(line["window_start"] == lines[0]["window_start"] for line in lines)


def change(at: int = 0, **values: Any) -> Callable[[list[Line]], None]:
    def changed(lines: list[Line]) -> None:
        lines[at] |= values

    return changed


def moved(lines: list[Line]) -> None:
    for name in ("window_start", "window_end"):
        lines[0][name] += timedelta(minutes=3)


def of_a_play(lines: list[Line], **values: Any) -> None:
    next(line for line in lines if line["played"]).update(values)


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        pytest.param(lambda lines: lines.append(lines[0]), {"a window and a group have one line: the same twice is a "
                     "double commit": 2}, id="a line twice"),
        pytest.param(moved, {"windows of 10 minutes are counted from 1970 in UTC": 1}, id="a window off the grid"),
        pytest.param(lambda lines: lines[0].update(window_end=lines[0]["window_end"] + timedelta(minutes=10)),
                     {"a window is 10 minutes long": 1}, id="a window too long"),
        pytest.param(change(window_end=None), {"each line is of a window": 1}, id="no end"),
        pytest.param(change(shown=None), {"a count is 0 where nothing is counted": 1}, id="a count without a value"),
        pytest.param(change(long=-1), {"a count is not negative": 1}, id="a negative count"),
        pytest.param(lambda lines: of_a_play(lines, rate=1.25), {"count(plays.play_id) / count(*) is a share": 1},
                     id="a share above one"),
        pytest.param(lambda lines: of_a_play(lines, least=1000),
                     {"the least plays.seconds is not beyond the greatest": 1}, id="least above greatest"),
        pytest.param(lambda lines: of_a_play(lines, most=None), {"most is null exactly where timed is 0": 1},
                     id="no greatest of something"),
        pytest.param(lambda lines: lines[0].update(long=lines[0]["shown"] + 1),
                     {"count(*) where plays.seconds > 50 is a part of count(*)": 1}, id="a part above the whole"),
    ],
)  # fmt: skip
def test_a_wrong_line_breaks_its_rule_alone(
    spoil: Callable[[list[Line]], None], broken: dict[str, int], lines: list[Line], tmp_path: Path
) -> None:
    spoiled = [dict(line) for line in lines]
    spoil(spoiled)
    _, _, found = checked(tmp_path, spoiled)
    assert {one["why"]: one["unexpected"] for one in found if not one["success"]} == broken


def test_a_column_of_another_type_and_a_missing_one_are_told(lines: list[Line], tmp_path: Path) -> None:
    fields = [
        field.with_type(pa.int32()) if field.name == "shown" else field for field in SCHEMA if field.name != "long"
    ]
    _, _, found = checked(tmp_path, lines, pa.schema(fields))
    told = {(one["expectation"], one["column"]): one["observed"] for one in found if not one["success"]}
    assert told[("expect_column_values_to_be_in_type_list", "shown")] == "int"
    assert told[("expect_column_values_to_not_be_null", "long")] == "the table has no column long"


@pytest.mark.parametrize(
    ("part", "whole", "is_one"),
    [
        ("count(a.x)", "count(*)", True),
        ("count(*)", "count(a.x)", False),
        ("count_distinct(a.x)", "count(a.x)", True),
        ("count_distinct(a.x)", "count_distinct(a.y)", False),
        ("count(a.x)", "count_distinct(a.x)", False),
        ("count(a.x) where a.y", "count(a.x)", True),
        ("count(a.x)", "count(a.x) where a.y", False),
        ("count(a.x) where a.y", "count(*) where a.y", True),
        ("count(a.x) where a.y", "count(*) where a.z", False),
        ("sum(a.x)", "count(*)", False),
    ],
)
def test_what_counts_a_part_of_what(part: str, whole: str, is_one: bool) -> None:
    assert is_part(*(parse_value(text)[0] for text in (part, whole))) is is_one


def test_the_command_checks_both_tables_and_the_archives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = AggregateWorld.made(tmp_path / "home").play(*drawn(4)).aggregated().write()
    file = tmp_path / "plays.yaml"
    file.write_text(contract("left_outer"))
    home = f"--home={world.home.root}"
    assert command(["expect", str(file), home, "--on", "sources", "--on", "outputs", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    documents.checked("expect", document)
    assert set(document["tables"]) == {"sources.shows", "sources.plays", "stream", "batch"}
    assert document["tables"]["batch"]["rows"] == len(world.batch_lines)
    world.lake.append("agg.batch", pa.Table.from_pylist(world.batch_lines[:1], schema=LINES))
    assert command(["expect", str(file), home]) == 1
    told = capsys.readouterr().out
    assert "unique: 2 unexpected" in " ".join(told.split()) or "unique window_start, genre: 2 unexpected" in told
