"""The story of one key: of a late record, of a clean key, of keys that no table holds; of each cause in test_causes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.commands.explain import explain as command
from plumbline.contract.errors import UsageError
from plumbline.contract.loader import parse
from plumbline.reconcile import format
from plumbline.reconcile.explain.explain import explain
from plumbline.reconcile.explain.keys import read_key
from plumbline.reconcile.report import stored_runs
from plumbline.reconcile.report.next_commands import Commands
from plumbline.reconcile.report.stories import tell
from tests.reconcile.causes.test_causes import late_left, late_right, nothing, several_at_once, stream_of
from tests.reconcile.test_outside import rewrite
from tests.support.table_versions import edit, numbered, retyped
from tests.support.world import CONTRACT, OUTPUT, Row, World, play, show

MakeWorld = Callable[..., World]


def told(world: World, key: Mapping[str, str] | str) -> dict[str, Any]:
    return explain(world.contract, world.home, key).document


def whats(story: dict[str, Any]) -> list[str]:
    return [moment["what"] for moment in story["story"]]


def test_a_late_right_record_is_followed_from_delivery_to_the_wrong_row(make_world: MakeWorld) -> None:
    world = make_world()
    late_right(world)
    story = told(world.write(), "c")
    assert (story["verdict"], story["causes"]) == ("drift", ["late_right"])
    assert whats(story) == [
        "delivered", "delivered", "admitted", "closed", "dropped", "archived", "archived", "emitted", "seen by batch",
    ]  # fmt: skip
    dropped = next(moment["text"] for moment in story["story"] if moment["what"] == "dropped")
    assert dropped == (
        "t.plays partition 0 offset 1 read in epoch 4, late watermark 2024-03-01 01:30 UTC: late by 1 h 26 min, dropped"
    )
    record = next(record for record in story["records"] if record["source"] == "plays")
    assert (record["partition"], record["offset"], record["epoch"]) == (0, 1, 4)
    assert (record["fate"], record["late_by_ms"]) == ("dropped", 86 * 60_000)


def test_the_moments_stand_in_order_of_time_and_name_the_commits(make_world: MakeWorld) -> None:
    world = make_world()
    late_right(world)
    story = told(world.write(), "c")
    times = [moment["at"] for moment in story["story"]]
    assert times == sorted(times)
    stream, batch = (world.lake.load(f"joined.plays_{side}").current_snapshot() for side in ("stream", "batch"))
    text = {moment["what"]: moment["text"] for moment in story["story"]}
    assert f"snapshot {stream.snapshot_id}" in text["emitted"]
    assert f"snapshot {batch.snapshot_id} by the run over everything" in text["seen by batch"]


def test_a_row_belongs_to_the_commit_that_added_it(make_world: MakeWorld) -> None:
    world = make_world()
    nothing(world)
    late_row, world.stream = world.stream[-1], world.stream[:-1]
    before = world.write().lake.load("joined.plays_stream").current_snapshot()
    world.lake.append(
        "joined.plays_stream", pa.Table.from_pylist([late_row.values()], schema=OUTPUT), {"replay.id": "r"}
    )
    assert f"snapshot {before.snapshot_id}" in "".join(m["text"] for m in told(world, "d")["story"])
    assert whats(told(world, late_row.left.show)).count("replayed") == 1


def test_a_clean_key_has_a_story_too(make_world: MakeWorld) -> None:
    world = make_world()
    nothing(world)
    story = told(world.write(), "d")
    assert (story["verdict"], story["findings"]) == ("match", [])
    assert whats(story).count("delivered") == 2
    assert whats(story)[-2:] == ["emitted", "seen by batch"]


def test_a_record_that_neither_table_knows_is_found_in_the_archive(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world, [show("x", 3)])
    world.batch = [row for row in world.batch if row.left.name != "x"]
    story = told(world.write(), "x")
    assert story["verdict"] == "absent"
    assert [record["fate"] for record in story["records"]] == ["dropped"]
    assert whats(story)[-2:] == ["seen by batch", "not emitted"]


def test_another_delivery_of_the_same_key_is_part_of_the_story(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world, [play("pa2", "a", 3 * 60)])
    story = told(world.write(), "a")
    assert [record["event_time"].isoformat() for record in story["records"] if record["source"] == "plays"] == [
        "2024-03-01T00:05:00+00:00",
        "2024-03-01T03:00:00+00:00",
    ]
    assert story["verdict"] == "match"


def test_a_key_with_null_in_it_is_explained_by_the_command_that_is_printed(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text NULL is another key; neither tells the other's story."""
    world = make_world(key="[show_id, play_id]")
    stream_of(world)
    alone, text = world.row("b"), world.record("b")
    world.stream.remove(alone)
    world.batch.append(Row(text, play("NULL", "b", 2)))
    world.write().reconcile()
    findings = {format.key(f["key"]): f for f in stored_runs.findings(world.lake, world.reconcile().document["run_id"])}
    path = world.home.root / "plays.yaml"
    path.write_text(CONTRACT.replace("KEY", "[show_id, play_id]").replace("KIND", "left_outer"))
    causes = {"show_id=b, play_id=NULL": "lost_output", 'show_id=b, play_id="NULL"': "unexplained"}
    assert set(findings) == set(causes)
    for key, cause in causes.items():
        finding = findings[key]
        line = Commands(str(path), world.home.option).explain(tell(finding).parts)
        command.main([*shlex.split(line)[2:], "--json"], standalone_mode=False)
        story = json.loads(capsys.readouterr().out)
        assert (story["verdict"], story["causes"]) == ("drift", [cause])


@pytest.mark.parametrize("name", ["id", "key", "cause", "p", "filename", "event_time", "partition"])
def test_a_key_column_may_be_called_anything(name: str, tmp_path: Path) -> None:
    """A numeric one tells no other row's story: 1 is a key, and the number of a finding too."""
    world = World.at(tmp_path)
    columns = f"columns: [{{{name}: 'CAST(shows.title AS BIGINT)'}}, "
    text = CONTRACT.replace("KEY", f"[{name}]").replace("KIND", "left_outer").replace("columns: [", columns)
    world.contract = parse(text)
    stream_of(world)
    numbers = {row.left.name: number for number, row in enumerate(world.batch)}
    world.stream = [row for row in world.stream if row.left.name in ("z", "d")]
    world.write()
    for table, rows in (("joined.plays_stream", world.stream), ("joined.plays_batch", world.batch)):
        values = [row.values() | {name: numbers[row.left.name]} for row in rows]
        schema = OUTPUT.insert(0, pa.field(name, pa.int64()))
        world.lake.catalog().drop_table(table)
        world.lake.ensure_table(table, schema)
        world.lake.append(table, pa.Table.from_pylist(values, schema=schema))
    for left, number in numbers.items():
        story = told(world, str(number))
        assert story["verdict"] == ("match" if left in ("z", "d") else "drift")
        assert {f["key"][name] for f in story["findings"]} == (set() if left in ("z", "d") else {number})


def test_what_nobody_knows_is_not_told_as_a_fact(make_world: MakeWorld) -> None:
    """Tables of others: no ledger, no lineage, no event time, no commit of ours."""
    world = make_world()
    stream_of(world)
    world.ledger = []
    world.write()
    assert {record["fate"] for record in told(world, "a")["records"]} == {"not in the ledger"}
    for table, rows in (("joined.plays_stream", world.stream), ("joined.plays_batch", world.batch)):
        rewrite(world, table, rows, [name for name in OUTPUT.names if not name.startswith("_")])
    story = told(world, "a")
    emitted = next(moment["text"] for moment in story["story"] if moment["what"] == "emitted")
    snapshot = world.lake.load("joined.plays_stream").current_snapshot().snapshot_id
    assert emitted == f"joined.plays_stream: row that does not say what it was made from, in snapshot {snapshot}"
    assert story["verdict"] == "match"


def test_the_commit_of_a_row_elsewhere_is_found(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.reconcile.inputs.row_commits._local", lambda uri: None)
    world = stream_of(make_world()).write()
    snapshot = world.lake.load("joined.plays_stream").current_snapshot().snapshot_id
    assert f"snapshot {snapshot}" in " ".join(moment["text"] for moment in told(world, "d")["story"])


def test_an_unknown_key_is_refused_with_the_nearest_one(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world, [show("flight-1545", 110)]).write()
    with pytest.raises(UsageError, match="did you mean 'flight-1545'"):
        told(world, "flight-1454")


def test_a_key_of_another_type_in_the_stream_table_is_refused(make_world: MakeWorld) -> None:
    world = make_world().play([show("a", 0)]).write()
    edit(world.lake, "joined.plays_stream", numbered)
    edit(world.lake, "joined.plays_stream", retyped("show_id", "boolean"))
    said = "key column 'show_id' cannot be compared: VARCHAR in the batch table, BOOLEAN in the stream's"
    with pytest.raises(UsageError, match=said):
        explain(world.contract, world.home, "a")


def test_a_key_that_is_text_with_quotes_is_only_a_value(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world, [show("it's", 110)]).write()
    assert told(world, "it's")["verdict"] == "match"
    with pytest.raises(UsageError, match="no row and no archived record"):
        told(world, "' OR 1 = 1 --")


def test_composite_keys_are_given_by_name_or_in_order(make_world: MakeWorld) -> None:
    contract = make_world(key="[show_id, play_id]").contract
    assert read_key(contract, "a, pa") == {"show_id": "a", "play_id": "pa"}
    assert read_key(contract, {"play_id": "pa", "show_id": "a"}) == {"show_id": "a", "play_id": "pa"}
    with pytest.raises(UsageError, match="has 1 values, the contract's key has 2"):
        read_key(contract, "a")
    with pytest.raises(UsageError, match="the key columns are show_id, play_id, not show"):
        read_key(contract, {"show": "a"})


def test_one_row_of_a_composite_key(make_world: MakeWorld) -> None:
    world = make_world(key="[show_id, play_id]")
    stream_of(world, [play("pc", "c", 4)]).write()
    assert told(world, "c,pc")["causes"] == ["late_right"]
    assert told(world, "d,pd")["verdict"] == "match"


def test_the_command_takes_the_contract_from_the_record(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLUMBLINE_CONTRACT", raising=False)
    world = make_world()
    several_at_once(world)
    home = ["--home", str(world.home.root)]
    with pytest.raises(UsageError, match="no contract is named"):
        command.main(["x", *home], standalone_mode=False)
    world.write().reconcile()
    command.main(["x", *home], standalone_mode=False)
    page = capsys.readouterr().out
    assert page.startswith("x: drift, missing by late_left")
    assert "late by 1 h 27 min, dropped" in page
    command.main(["--key", "show_id=x", *home, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["causes"] == ["late_left"]


def test_the_command_takes_the_contract_from_the_environment(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    late_left(world)
    path = world.write().home.root / "plays.yaml"
    path.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    monkeypatch.setenv("PLUMBLINE_CONTRACT", str(path))
    command.main(["z", "--home", str(world.home.root)], standalone_mode=False)
    assert capsys.readouterr().out.startswith("z: the stream and the batch table hold the same")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "give the key once"), (["a", "--key", "show_id=a"], "give the key once"), (["--key", "a"], "NAME=VALUE")],
    ids=["no key", "both forms", "a part without a name"],
)
def test_a_wrongly_spelled_key_is_a_usage_error(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        command.main(arguments, standalone_mode=False)


def test_a_late_record_of_which_the_stream_holds_a_row_is_not_called_dropped(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world, [show("x", 3)])
    world.stream.append(Row(world.record("x")))
    story = told(world.write(), "x")
    assert [(record["fate"], record["late_by_ms"]) for record in story["records"]] == [("read", None)]
    [read] = [moment["text"] for moment in story["story"] if moment["what"] == "read"]
    assert read.endswith(": late by 1 h 27 min, and yet the stream holds a row of it")


@pytest.mark.parametrize("name", ["a", "p"])
def test_a_record_in_quarantine_was_not_admitted(make_world: MakeWorld, name: str) -> None:
    world = make_world()
    world.refused = {name: "null_key"}
    later = [[show("z", 240), play("pz", "z", 241)], [show("y", 250), play("py", "y", 251)]]
    story = told(world.play([show("a", 1), play("p", "a", 5)], *later).write(), "a")
    place = "t.shows" if name == "a" else "t.plays"
    fates = {record["topic"]: record["fate"] for record in story["records"]}
    assert fates[place] == "quarantined"
    assert set(fates.values()) == {"quarantined", "admitted"}
    said = next(moment["text"] for moment in story["story"] if moment["what"] == "quarantined")
    assert said == f"{place} partition 0 offset 0 read in epoch 0, and in quarantine: null_key"
    assert ("closed" in whats(story)) == (name == "p"), "nothing waits for the window of a left record that never came"
