"""A source's `reduce`: what it says, what it needs of the input, and what is refused with line and next step."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from plumbline.contract.errors import ContractError, UsageError
from plumbline.contract.evolution import compare
from plumbline.contract.loader import load, parse
from plumbline.contract.ranges import TimeRange, parse_time
from plumbline.contract.reach import input_range, output_range
from plumbline.contract.reduce import window_end_sql
from tests.support.reduced import TEXT

REDUCE = "    reduce: {by: [id], every: 10 minutes, take: last}\n"
LEFT = ("    archive: raw.impressions\n", f"    archive: raw.impressions\n{REDUCE}")


def changed(*pairs: tuple[str, str]) -> str:
    text = TEXT
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
        text = text.replace(old, new)
    return text


def test_it_says_which_events_become_one() -> None:
    reduce = parse(TEXT).right.reduce
    assert reduce is not None
    assert (reduce.by, reduce.every_us, reduce.take) == (["id"], 600_000_000, "last")
    assert parse(TEXT).table_columns[-1] == "_right_event_time"


def test_contracts_without_it_are_what_they_were() -> None:
    plain, reduced = parse(changed((REDUCE, ""))), parse(TEXT)
    assert all("reduce" not in source for source in plain.semantics()["sources"].values())
    assert "reduce" not in plain.model_dump(mode="json")["sources"]["plays"]
    assert plain.fingerprint() == "dc6bb06daabe32a3", "as before there was any"
    assert plain.fingerprint() != reduced.fingerprint()
    assert "_right_event_time" not in plain.table_columns


def test_the_range_of_the_input_holds_whole_windows() -> None:
    hour = TimeRange(parse_time("2024-03-01T10:00Z"), parse_time("2024-03-01T11:00Z"))
    contract = parse(TEXT)
    assert input_range(contract, "plays", hour) == hour.widened(timedelta(minutes=-10), timedelta(hours=1))
    assert input_range(contract, "impressions", hour) == hour
    assert output_range(contract, "plays", hour) == hour.widened(timedelta(hours=-1), timedelta(minutes=10))


@pytest.mark.parametrize(
    ("us", "end"), [(0, 600_000_000), (599_999_999, 600_000_000), (600_000_000, 1_200_000_000), (-1, 0)]
)
def test_the_end_of_a_window(us: int, end: int) -> None:
    reduce = parse(TEXT).right.reduce
    assert reduce is not None
    assert duckdb.sql(f"SELECT {window_end_sql(f'({us})::BIGINT', reduce)}").fetchall() == [(end,)]


REFUSED = {
    "the left source": ([LEFT, (f"plays\n{REDUCE}", "plays\n")], "built for the right source of the join", 10),
    "both sources": ([LEFT], "impressions is the left one", 10),
    "right_outer": ([("left_outer", "right_outer")], "a right_outer join gives rows for unmatched events", 18),
    "full_outer": ([("left_outer", "full_outer")], "write inner or left_outer", 18),
    "no window": ([("every: 10 minutes", "every: 0 minutes")], "a window is longer than zero", 17),
    "unknown take": ([("take: last", "take: sum")], "'last' or 'first'", 17),
    "without take": ([(", take: last", "")], "sources.plays.reduce.take", 17),
    "by a field that is none": ([("by: [id]", "by: [ip]")], "'ip' is not among the fields", 17),
    "by another field": ([("by: [id]", "by: [id, seconds]")], "by the join columns of plays (id)", 17),
    "by a field twice": ([("by: [id]", "by: [id, id]")], "'id' is named twice", 17),
    "by floats": (
        [("{id: string, play", "{id: double, play"), ("{id: string, campaign", "{id: double, campaign")],
        "'id' is a double",
        17,
    ),
    "an id of another type": ([("play: string", "play: double")], "by which reduce cannot order two events", 14),
    "the id of a row that is updated": (
        [("t.plays\n", "t.plays\n    format: debezium\n")],
        "an update of a row would count as another delivery of it, and be left out remove event_id: of what",
        15,
    ),
    "a time of the change in other units": (
        [
            ("t.plays\n", "t.plays\n    format: debezium\n"),
            ("    event_id: play\n", ""),
            ("seconds: long}", "seconds: long, __source_ts_ms: long}"),
        ],
        "the envelope's time of the change, a number of milliseconds write timestamp_millis",
        13,
    ),
    "another name of the time of the change": (
        [
            ("t.plays\n", "t.plays\n    format: debezium\n    aliases: {__source_ts_ms: [ts]}\n"),
            ("    event_id: play\n", ""),
            ("seconds: long}", "seconds: long, __source_ts_ms: timestamp_millis}"),
        ],
        "__source_ts_ms is no column of the row",
        13,
    ),
    "own column": ([("{played_at: plays.at}", "{_right_place: plays.at}")], "tables of a reduced source have", 21),
    "upsert": ([("  key: [id, play]", "  mode: upsert\n  key: [id]")], "not built beside a source's reduce", 20),
    "event_time": ([("  key:", "  event_time: at\n  key:")], "not built beside a source's reduce", 20),
    "transform": ([("output:", "stream: {transform: 'a:b'}\noutput:")], "not built beside a source's reduce", 19),
    "own query": ([("output:", "batch: {sql: a.sql}\noutput:")], "not built beside a source's reduce", 19),
    "expectations": ([("output:", "expectations: {min_rows: 1}\noutput:")], "not built beside a source's reduce", 19),
    "aggregate": (
        [
            (
                "  key: [id, play]\n"
                "  columns: [impressions.campaign, plays.play, plays.seconds, {played_at: plays.at}]\n",
                "  aggregate: {window: 1 hour, values: {shown: count(*)}}\n",
            )
        ],
        "not built beside a source's reduce",
        20,
    ),
    "own job": (
        [("output:", "job: {kind: other}\noutput:")],
        "not built beside a source's reduce",
        19,
    ),
    "rows table taken": (
        [("joined.taken_stream", "joined.taken_batch_rows")],
        "table 'joined.taken_batch_rows' is already output.batch_table",
        22,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_built_is_refused_with_its_line(name: str) -> None:
    pairs, told, line = REFUSED[name]
    with pytest.raises(ContractError) as error:
        parse(changed(*pairs), "c.yaml")
    assert told in f"{error.value.what} {error.value.next_step}"
    assert error.value.where == f"c.yaml:{line}"


@pytest.mark.parametrize(("old", "new"), [("last", "first"), ("10 minutes, take", "5 minutes, take"), (REDUCE, "")])
def test_a_checkpoint_takes_no_other_rule(old: str, new: str) -> None:
    for pair in [(parse(TEXT), parse(changed((old, new)))), (parse(changed((old, new))), parse(TEXT))]:
        (refused,) = compare(*pair).refused
        assert refused.path == ("sources", "plays", "reduce")
        assert "windows in state hold the events of the old rule" in refused.effect


def test_who_does_not_know_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(TEXT)
    assert load(file, reduced=True).right.reduce
    with pytest.raises(UsageError, match="reduce is not built yet for this command"):
        load(file, aggregates=True, upserts=True)
