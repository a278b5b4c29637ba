"""`output.mode: upsert`: what it says, and what is refused with line and next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.contract.errors import ContractError, UsageError
from plumbline.contract.evolution import compare
from plumbline.contract.loader import load, parse
from plumbline.contract.upsert import newness, state_columns
from tests.support.upserts import TEXT

COLUMNS = "[impressions.campaign, plays.play, plays.seconds]"
OWN_JOB = "job: {engine: spark, checkpoint: /c, operators: {left: a, right: b}}\n"


def changed(*pairs: tuple[str, str]) -> str:
    text = TEXT
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
        text = text.replace(old, new)
    return text


def test_the_key_with_its_event_time_has_one_row_the_newest() -> None:
    contract = parse(TEXT)
    assert state_columns(contract) == ("id", "_event_time")
    assert newness(contract) == ("_right_event_time", "play")
    assert contract.table_columns[-1] == "_right_event_time"
    unnamed = parse(changed(("    event_id: play\n", "")))
    assert newness(unnamed) == ("_right_event_time", "_right_partition", "_right_offset")


def test_contracts_that_append_are_what_they_were() -> None:
    without, append = parse(changed(("  mode: upsert\n", ""))), parse(changed(("mode: upsert", "mode: append")))
    assert "mode" not in without.semantics()["output"]
    assert without.semantics() == append.semantics()
    assert without.fingerprint() == append.fingerprint() != parse(TEXT).fingerprint()
    assert "_right_event_time" not in without.table_columns


REFUSED = {
    "right_outer": ([("left_outer", "right_outer")], "a right_outer join cannot be upserted", 17),
    "full_outer": ([("left_outer", "full_outer")], "a full_outer join cannot be upserted", 17),
    "no event id": ([("    event_id: id\n", "")], "needs to know which events of impressions are one", 3),
    "key without it": ([("key: [id]", "key: [campaign]")], "lacks 'id', the event_id of impressions", 20),
    "key of the right": ([("key: [id]", "key: [id, play]")], "'play' is not a field of impressions", 20),
    "key of SQL": (
        [("key: [id]", "key: [id, low]"), (COLUMNS, "[{low: lower(impressions.campaign)}, plays.play]")],
        "'low' is not a field of impressions",
        20,
    ),
    "right id without column": ([(", plays.play,", ",")], "add plays.play", 21),
    "right id of another type": ([("play: string", "play: double")], "plays.play is a double", 14),
    "own column": (
        [("plays.seconds]", "{_right_event_time: plays.at}]")],
        "'_right_event_time' is a column that output.mode: upsert has of its own",
        21,
    ),
    "event_time": ([("  key:", "  event_time: at\n  key:")], "not built for output.mode: upsert", 20),
    "transform": ([("output:", "stream: {transform: 'a:b'}\noutput:")], "not built for output.mode: upsert", 18),
    "own query": ([("output:", "batch: {sql: a.sql}\noutput:")], "not built for output.mode: upsert", 18),
    "expectations": ([("output:", "expectations: {min_rows: 1}\noutput:")], "not built for output.mode: upsert", 18),
    "rows table taken": (
        [("joined.newest_stream", "joined.newest_batch_rows")],
        "table 'joined.newest_batch_rows' is already output.batch_table",
        22,
    ),
    "unknown mode": ([("mode: upsert", "mode: merge")], "output.mode", 19),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_built_is_refused_with_its_line(name: str) -> None:
    pairs, told, line = REFUSED[name]
    with pytest.raises(ContractError) as error:
        parse(changed(*pairs), "c.yaml")
    assert told in f"{error.value.what} {error.value.next_step}"
    assert error.value.where == f"c.yaml:{line}"


def test_a_caller_that_does_not_know_it_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(TEXT)
    with pytest.raises(UsageError) as error:
        load(file, aggregates=True)
    assert (error.value.what, error.value.where) == (
        "a contract with output.mode: upsert is not built yet for this command",
        f"{file}:19",
    )
    assert load(file, upserts=True).output.mode == "upsert"


@pytest.mark.parametrize("back", [False, True])
def test_a_checkpoint_takes_no_other_mode(back: bool) -> None:
    upsert, append = parse(TEXT), parse(changed(("  mode: upsert\n", "")))
    found = compare(upsert, append, {}) if back else compare(append, upsert, {})
    assert [change.path for change in found.refused] == [("output", "mode")]
