"""Which engine finds the rows that differ, and what the engine spark refuses by name before it starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.cli import run
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.loader import parse
from plumbline.reconcile.inputs.engines import refuse_of_spark
from tests.reconcile.causes.test_causes import late_right, stream_of
from tests.support import aggregate_world
from tests.support.reduced import TEXT as REDUCED
from tests.support.unnamed_rows import unnamed
from tests.support.upsert_world import contract_text
from tests.support.world import CONTRACT, STREAM, World

MakeWorld = Callable[..., World]
TEXT = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")


def refusal(world: World, engine: str = "spark") -> str:
    with pytest.raises(UsageError) as raised:
        world.reconcile(engine=engine)
    return str(raised.value)


def test_an_engine_that_is_not_there(make_world: MakeWorld) -> None:
    assert refusal(make_world(), "flink") == "engine 'flink' is unknown. Next: use one of duckdb, spark, auto"


def test_upserted_tables_are_refused(make_world: MakeWorld) -> None:
    world = make_world()
    world.contract = parse(contract_text("left_outer"), "plays.yaml")
    told = "the engine spark does not compare upserted tables [plays.yaml:22]. Next: give --engine duckdb"
    assert refusal(world) == told


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (aggregate_world.contract("left_outer"), "lines of an aggregate [plays.yaml:"),
        (REDUCED, "tables of a source with reduce [plays.yaml:"),
    ],
)
def test_a_night_of_what_duckdb_alone_compares_is_refused_where_the_contract_says_so(text: str, what: str) -> None:
    contract = parse(text, "plays.yaml")
    with pytest.raises(UsageError, match=re.escape(f"the engine spark does not compare {what}")):
        refuse_of_spark(contract, "spark")
    refuse_of_spark(contract, "auto")


def test_rows_without_a_time_are_refused(make_world: MakeWorld) -> None:
    world = unnamed(stream_of(make_world()), contract=TEXT, event_time=False)
    assert "does not compare tables without the event times of their rows [joined.plays_stream]" in refusal(world)


def test_a_type_that_spark_does_not_have_is_refused(make_world: MakeWorld) -> None:
    world = stream_of(make_world()).write()
    with world.lake.load(STREAM).update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("seconds")
    with world.lake.load(STREAM).update_schema() as update:
        update.union_by_name(pa.schema([("seconds", pa.time64("us"))]))
    assert "does not compare column seconds of type time [joined.plays_stream]" in refusal(world)


def test_without_the_jars_it_is_one_line_and_nothing_is_recorded(make_world: MakeWorld) -> None:
    world = stream_of(make_world()).write()
    with pytest.raises(SetupError, match=r"the spark jars are not complete: .* Next: plumbline jars"):
        world.reconcile(engine="spark")
    assert not world.lake.exists("plumbline.runs")


def test_auto_goes_by_the_size_of_what_may_be_read(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    late_right(world)
    world.write()
    (tmp_path / "plays.yaml").write_text(TEXT)
    line = ["reconcile", str(tmp_path / "plays.yaml"), "--home", str(world.home.root), "--engine", "auto"]
    assert run(line) == 1
    assert "engine: duckdb: the files of the range have " in capsys.readouterr().err
    monkeypatch.setattr("plumbline.reconcile.diff.spark.choice.MOST_BYTES", 100)
    monkeypatch.setenv("PLUMBLINE_JARS", str(tmp_path / "none"))
    assert run([*line, "--full"]) == 3
    assert "error: the spark jars are not complete" in capsys.readouterr().err
