"""Which stateful operators a team's own query has: counted only where all are noted, and no row called late unless the
contract's join has the watermark that is logged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.errors import ContractError, IncompleteError, SetupError
from plumbline.contract.loader import parse
from plumbline.contract.operators import is_first
from plumbline.contract.ranges import TimeRange
from plumbline.replay.settled import settled_end
from plumbline.stream_job.epochs import note_operators
from plumbline.stream_job.late.listing import listed
from plumbline.stream_job.observe.checkpoint import Checkpoint
from plumbline.stream_job.observe.observer import observe
from tests.stream_job.test_observe import contract, three, wrote
from tests.stream_job.test_observe import home as home
from tests.stream_job.test_observe import query as query
from tests.support.observed_query import PLAYS, QUERY, SHOWS, Query
from tests.support.world import CONTRACT

JOIN, DEDUPE = "symmetricHashJoin", "dedupe"
TWO_JOINS = f"4.1.4 with the stateful operators {JOIN}, {JOIN}"
UNSEEN = "4.1.4 with stateful operators that were not observed"


@pytest.mark.parametrize(
    ("operators", "first"),
    [
        ([JOIN], True),
        ([JOIN, DEDUPE, "dedupeWithinWatermark"], True),
        ([DEDUPE, "stateStoreSave", JOIN], True),
        ([JOIN, JOIN], False),
        ([JOIN, "stateStoreSave"], False),
        ([JOIN, DEDUPE, "transformWithStateExec"], False),
        ([DEDUPE], False),
    ],
)
def test_a_join_has_the_logged_watermark_behind_deduplication_only(operators: list[str], first: bool) -> None:
    assert is_first(operators) is first


def _whole(query: Query) -> None:
    """All is noted."""


def _none(query: Query) -> None:
    (query.folder / "state").rename(query.folder / "elsewhere")


def _one_without_a_note(query: Query) -> None:
    (query.folder / "state" / "2").mkdir()


def _one_lacks(query: Query) -> None:
    (query.folder / "state" / "0").rename(query.folder / "state" / "5")


def _cut_off(query: Query) -> None:
    file = query.folder / "state" / "1" / "_metadata" / "metadata"
    file.write_text(file.read_text()[:40])


def _of_another(query: Query) -> None:
    file = query.folder / "state" / "1" / "_metadata" / "metadata"
    file.write_text(file.read_text().replace('"operatorId": 1', '"operatorId": 0'))


def _newer_format(query: Query) -> None:
    """As OperatorStateMetadataV2: a file for each batch in which a run began."""
    file = query.folder / "state" / "1" / "_metadata" / "metadata"
    told, folder = file.read_text().replace("v1\n", "v2\n"), file.parent / "v2"
    file.unlink()
    folder.mkdir()
    (folder / "0").write_text(told.replace(DEDUPE, "transformWithStateExec"))
    (folder / "12").write_text(told)


def _not_committed(query: Query) -> None:
    """Spark may just be noting them."""
    for file in (query.folder / "commits").iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("state", "known"),
    [
        (_whole, True),
        (_newer_format, True),
        (_none, False),
        (_one_without_a_note, False),
        (_one_lacks, False),
        (_cut_off, False),
        (_of_another, False),
        (_not_committed, False),
    ],
)
def test_operators_are_known_where_all_are_noted(state: Callable[[Query], None], known: bool, query: Query) -> None:
    state(three(query).operators(JOIN, DEDUPE))
    assert Checkpoint(str(query.folder)).operators() == ((JOIN, DEDUPE) if known else None)


def archived(home: Home) -> None:
    """All that the three batches read of the shows; seven of the last ten came behind watermark 100."""
    lake = Lake.open(home)
    lake.ensure_table("raw.shows", ARCHIVE_SCHEMA)
    times = [datetime.fromtimestamp((90 + at - 27) / 1000, UTC) for at in range(7, 37)]
    rows = [
        {"topic": SHOWS, "partition": 0, "offset": at, "event_time": time, "value": b"{}"}
        for at, time in enumerate(times, 7)
    ]
    lake.append("raw.shows", pa.Table.from_pylist(rows, schema=ARCHIVE_SCHEMA))


@pytest.mark.parametrize(
    ("operators", "said"),
    [((JOIN, JOIN), "the query has the stateful operators"), ((), "which stateful operators the query has was not ob")],
)
def test_no_row_is_late_until_the_contract_says_that_its_join_is_first(
    operators: tuple[str, ...], said: str, query: Query, home: Home
) -> None:
    three(query)
    (query.folder / "state").rename(query.folder / "before")
    query.operators(*operators)
    wrote(home, QUERY, {0: "app", 2: "app"})
    archived(home)
    lines: list[str] = []
    found = observe(contract(query), home, once=True, say=lines.append)
    assert (found["operators"], found["unproven_plan"], found["late"]) == (list(operators) or None, True, 0)
    [line] = [line for line in lines if "no row is called late" in line]
    assert said in line
    assert "join_first: true` to job" in line
    with pytest.raises(IncompleteError, match=said) as caught:
        settled_end(Lake.open(home), contract(query))
    assert "join_first: true` to job" in str(caught.value.next_step)
    first = contract(query, job=", join_first: true, held_back: 0 minutes")
    assert settled_end(Lake.open(home), first) is not None
    found = observe(first, home, once=True)
    assert (found["unproven_plan"], found["late"]) == (False, 10)
    late = [listed(Lake.open(home), one, TimeRange(), "dropped", 20) for one in (contract(query), first)]
    assert [len(rows) for _, rows, _ in late] == [0, 10]
    assert [known["unproven_spark"] for *_, known in late] == [[TWO_JOINS if operators else UNSEEN], []]


def test_a_ledger_of_an_earlier_version_gets_its_operators(query: Query, home: Home) -> None:
    """Nothing of it is called late before."""
    three(query)
    wrote(home, QUERY, {0: "app", 2: "app"})
    observe(contract(query), home, once=True)
    lake = Lake.open(home)
    rows = lake.load(EPOCHS).scan().to_arrow().drop_columns(["operators"])
    lake.catalog().drop_table(EPOCHS)
    lake.ensure_table(EPOCHS, rows.schema)
    lake.append(EPOCHS, rows)
    for file in (home.checkpoints / "plays" / "observed").rglob("0*.json"):
        body = json.loads(file.read_text())
        del body["operators"]
        file.write_text(json.dumps(body))
    assert listed(lake, contract(query), TimeRange(), "dropped", 1)[2]["unproven_spark"] == [UNSEEN]
    assert observe(contract(query), home, once=True)["published"] == 0
    again = Lake.open(home).load(EPOCHS).scan().to_arrow()
    assert set(again["operators"].to_pylist()) == {JOIN}
    order = [("epoch", "ascending"), ("source", "ascending")]
    assert again.select(rows.column_names).sort_by(order).to_pylist() == rows.sort_by(order).to_pylist()


def test_it_is_no_matter_of_another_engine() -> None:
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    with pytest.raises(ContractError, match="only a spark query has such a plan; this job is flink"):
        parse(f"{text}\njob: {{kind: flink, join_first: true}}\n", "plays.yaml")


def test_operators_that_are_gone_from_the_checkpoint_are_not_taken_for_none(query: Query, home: Home) -> None:
    """Without the last folder of state a join behind another one looks like the only one."""
    three(query).operators(JOIN, JOIN)
    wrote(home, QUERY, {0: "app", 2: "app"})
    observe(contract(query), home, once=True)
    shutil.rmtree(query.folder / "state" / "1")
    with pytest.raises(SetupError, match=f"tells the stateful operators {JOIN}, and told {JOIN}, {JOIN} before"):
        observe(contract(query), home, once=True)
    shutil.rmtree(query.folder / "state")
    assert observe(contract(query), home, once=True)["operators"] == [JOIN, JOIN]


def test_an_epoch_that_another_observer_adds_meanwhile_stays(
    query: Query, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    three(query)
    wrote(home, QUERY, {0: "app", 2: "app"})
    observe(contract(query), home, once=True)
    lake, real = Lake.open(home), Lake.load_now
    told = lake.load(EPOCHS).scan().to_arrow()
    untold = told.set_column(told.column_names.index("operators"), "operators", pa.nulls(len(told), pa.string()))
    lake.load(EPOCHS).overwrite(untold)
    looks = [lake.load(EPOCHS)]
    late = untold.slice(0, 1)
    lake.append(EPOCHS, late.set_column(late.column_names.index("epoch"), "epoch", pa.array([77], pa.int64())))
    monkeypatch.setattr(Lake, "load_now", lambda self, name: looks.pop() if looks else real(self, name))
    note_operators(lake, contract(query), QUERY, JOIN)
    found = lake.load(EPOCHS).scan().to_arrow()
    assert sorted(found["epoch"].to_pylist()) == sorted([77, *told["epoch"].to_pylist()])
    assert set(found["operators"].to_pylist()) == {JOIN}


def test_a_range_is_settled_when_what_may_be_held_back_behind_the_join_is_out(query: Query, home: Home) -> None:
    three(query).operators("stateStoreSave", JOIN).batch(7_200_000, {SHOWS: {0: 40}, PLAYS: {0: 20}})
    wrote(home, QUERY, {0: "app", 3: "app"})
    lines: list[str] = []
    assert observe(contract(query), home, once=True, say=lines.append)["held_back"]
    assert [line for line in lines if "stateStoreSave behind the join may hold rows back: none is settled" in line]
    with pytest.raises(IncompleteError, match="stateStoreSave behind the join may hold rows back") as caught:
        settled_end(Lake.open(home), contract(query))
    assert "held_back: 2 hours" in str(caught.value.next_step)
    [none, some] = [contract(query, job=f", held_back: {held}") for held in ("0 minutes", "10 ms")]
    ends = [settled_end(Lake.open(home), one) for one in (none, some)]
    assert [end and end.timestamp() for end in ends] == [3599.999001, 3599.988001]
    assert not observe(none, home, once=True)["held_back"]
    assert observe(some, home, once=True)["held_back"]


@pytest.mark.parametrize("said", ["{kind: flink, held_back: 1 hour}", "{kind: spark, held_back: -1 hour}"])
def test_for_how_long_rows_are_held_is_said_of_a_spark_query(said: str) -> None:
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    with pytest.raises(ContractError, match=r"this job is flink|0 minutes says that none is held"):
        parse(f"{text}\njob: {said}\n", "plays.yaml")
