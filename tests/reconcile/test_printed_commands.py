"""Every command that a look at a world prints is run as it was printed, and what that prints in turn; none is refused.

The topics are there, so that plans see what they hold. What needs Spark or writes to Kafka is parsed only, and so is
what comes after it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click
import pytest
import yaml

from plumbline.cli import DEFECT, run
from plumbline.connect.kafka import Record, create_topics, produce
from plumbline.connect.kafka_config import READ_COMMITTED
from plumbline.stream_job.isolation import PROPERTY
from tests.reconcile.causes.test_causes import several_at_once, spoil_stream, stream_of
from tests.support.command_lines import parse
from tests.support.printed import on_page, printed, words
from tests.support.world import CONTRACT, World, archive_rows, play, show

pytestmark = pytest.mark.kafka

PARSED_ONLY = {
    ("batch", "run"), ("stream", "run"), ("stream", "recover"), ("replay", "audit"), ("replay", "publish"),
    ("replay", "rollback"), ("kafka", "start"),
}  # fmt: skip
HOME, CONTRACT_FILE, PAGE = "a b's home", "my 'own' contract.yaml", "page 1.html"
FIRST = [
    ["reconcile", CONTRACT_FILE],
    ["reconcile", CONTRACT_FILE, "--json"],
    ["reconcile", CONTRACT_FILE, "--full", "--edges"],
    ["reconcile", CONTRACT_FILE, "--date", "2024-03-01"],
    ["reconcile", CONTRACT_FILE, "--date", "2024-03-02"],
    ["report", CONTRACT_FILE, "--out", PAGE],
    ["report", CONTRACT_FILE, "--format", "md"],
    ["report", CONTRACT_FILE, "--json"],
    ["history", CONTRACT_FILE],
    ["lateness", CONTRACT_FILE],
    ["quarantine", CONTRACT_FILE],
    ["expect", CONTRACT_FILE, "--on", "sources", "--on", "outputs"],
    ["check", CONTRACT_FILE, "--online"],
    ["stream", "status", CONTRACT_FILE],
    ["archive", "fill", CONTRACT_FILE],
    ["diff", "joined.plays_stream", "joined.plays_batch", "--key", "show_id"],
    ["batch", "run", CONTRACT_FILE, "--date", "2031-01-01"],
    ["replay", "list"],
    ["replay", "status", "latest"],
    ["replay", "plan", CONTRACT_FILE, "--date", "2024-03-01"],
    ["replay", "plan", CONTRACT_FILE, "--date", "2024-03-02"],
    ["replay", "plan", CONTRACT_FILE, "--from-drift", "latest"],
    ["replay", "audit", "latest"],
    ["replay", "publish", "latest"],
    ["replay", "list"],
]


def odd_keys(world: World) -> None:
    names = ["a b", "it's", "-x", "--execute", "NULL", "a,b", "k=v", "$(x)", "", "\u202eé", "`b`", 'a"b']
    lefts = [show(name, 10 + number) for number, name in enumerate(names)]
    stream_of(world, [play(f"p {left.name}", left.show, left.minute + 1) for left in lefts])
    world.stream = [row for row in world.stream if row.left.show != "b"]


def pending_and_unsettled(world: World) -> None:
    stream_of(world, after=[show("g", 310)], archived_only=[show("y", 1_500)])
    spoil_stream(world, "a", "pa", seconds=99.0)


def refused_records(world: World) -> None:
    world.refused = {"pc": "tombstone", "x": "null_key"}
    stream_of(world, [play("pc", "c", 4), show("x", 12)])


def lost_by_the_archive(world: World) -> None:
    stream_of(world, [show("n", 111)]).archive_without("n")


def never_run(world: World) -> None:
    world.play([show("a", 0)])
    world.ledger, world.stream, world.batch = [], [], []


@pytest.mark.parametrize(
    ("plant", "key"),
    [
        (several_at_once, "[show_id, play_id]"), (odd_keys, "[show_id]"), (refused_records, "[show_id]"),
        (pending_and_unsettled, "[show_id]"), (lost_by_the_archive, "[show_id]"), (never_run, "[show_id]"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_what_is_printed_can_be_run(
    plant: Callable[[World], None],
    key: str,
    kafka: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLUMBLINE_HOME", raising=False)
    world = on_broker(World.at(tmp_path / HOME, key=key), plant, kafka, tmp_path)
    code = run(["reconcile", CONTRACT_FILE, "--home", HOME])
    assert code in (0, 1, 3), capsys.readouterr().err
    seen: set[str] = set()
    todo = [[*line, "--home", HOME] for line in FIRST]
    asked = len(todo)
    for number, line in enumerate(todo):
        code = run(line)
        out, err = capsys.readouterr()
        told = f"{out}\n{err}"
        assert DEFECT not in told
        assert "Traceback" not in told
        assert number < asked or (code in (0, 1, 3) and "error: " not in err), f"{line}: {told}"
        page = on_page((tmp_path / PAGE).read_text()) if PAGE in line else []
        for command in (*printed(told), *page):
            if command in seen or "$(" in command.replace("'$(x)'", ""):
                continue
            seen.add(command)
            if re.fullmatch("plumbline [a-z]+( [a-z]+)?", command):
                continue  # the name of a command
            try:
                parse(shlex.join(["plumbline", *words(command)]))
            except click.ClickException as error:
                raise AssertionError(f"{line}: {command}: {error.format_message()}") from error
            assert "CONTRACT" not in command, f"{line}: {command}"
            step = words(command)
            if tuple(step[:2]) not in PARSED_ONLY and len(todo) < asked + 40:
                todo.append([word for word in step if word != "--execute" or "explain" in step])
    assert world
    assert seen


def on_broker(world: World, plant: Callable[[World], None], kafka: dict[str, str], folder: Path) -> World:
    """The world written, its records in topics of its own too, and its contract in a file that names them."""
    prefix = f"printed.{folder.name}"
    body = yaml.safe_load(CONTRACT.replace("KEY", "[]").replace("KIND", "left_outer"))
    body["output"]["key"] = list(world.contract.output.key)
    body["join"]["on"] = body["join"].pop(True)
    body["kafka"] = kafka
    for name, source in body["sources"].items():
        source["topic"] = f"{prefix}.{name}"
    (folder / CONTRACT_FILE).write_text(yaml.safe_dump(body, sort_keys=False))
    plant(world)
    for epoch in world.ledger:
        epoch["topic"] = f"{prefix}.{epoch['source']}"
    world.write()
    create_topics(kafka, dict.fromkeys((f"{prefix}.shows", f"{prefix}.plays"), 2))
    for side, source in (("left", "shows"), ("right", "plays")):
        world.lake.set_properties(f"raw.{source}", {PROPERTY: READ_COMMITTED})
        records = [record for record in world.records if record.side == side]
        for row in archive_rows(records, source).to_pylist():
            at = row["kafka_timestamp"] + timedelta(0)
            produce(kafka, [Record(f"{prefix}.{source}", row["key"], row["value"], int(at.timestamp() * 1000), None,
                                   row["partition"])])  # fmt: skip
    return world
