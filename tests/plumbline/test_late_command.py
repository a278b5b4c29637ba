"""`plumbline late`: counts, the newest rows, what a range selects, and what is not known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.cli import run
from plumbline.connect.table_names import EPOCHS, LATE
from plumbline.connect.tables import EPOCHS_SCHEMA, LATE_SCHEMA
from tests.support.late_rows import Life
from tests.support.world import CONTRACT, World
from tests.support.world_rows import START, play, show

TEXT = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
RECORDS = (
    [show("a", 0), show("b", 60), play("pa", "a", 5), play("pb", "b", 65)],
    [show("c", 200), play("pc", "c", 205)],
    [show("late", 10), play("later", "a", 20, 1)],
    [show("latest", 70), show("end", 300)],
)
DROPPED = START + timedelta(days=30, minutes=2)
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def life(tmp_path: Path) -> Life:
    (tmp_path / "plays.yaml").write_text(TEXT)
    return Life(World.at(tmp_path / "home").play(*RECORDS))


def publish(life: Life, **changes: Any) -> None:
    rows = [{**row, "spark_version": "4.1.4", **changes} for row in life.world.ledger]
    life.world.lake.ensure_table(EPOCHS, EPOCHS_SCHEMA)
    life.world.lake.append(EPOCHS, pa.Table.from_pylist(rows, schema=EPOCHS_SCHEMA))


@pytest.fixture
def ask(life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*options: str, code: int = 0) -> Any:
        words = ["late", str(tmp_path / "plays.yaml"), "--home", str(life.world.home.root), *options]
        assert run(words) == code
        shown = capsys.readouterr()
        return json.loads(shown.out) if "--json" in options else shown.out + shown.err

    return asked


def looked(life: Life) -> Life:
    publish(life)
    life.commit().archive().look()
    return life


def test_what_was_dropped_is_counted_and_the_newest_is_first(life: Life, ask: Ask) -> None:
    looked(life)
    found = ask("--json")
    assert [(name, one["records"], one["worst_ms"]) for name, one in found["sources"].items()] == [
        ("shows", 2, 120 * 60_000),
        ("plays", 1, 30 * 60_000),
    ]
    assert [(row["source"], row["offset"], row["epoch"]) for row in found["newest"]] == [
        ("shows", 4, 3), ("plays", 0, 2), ("shows", 3, 2)
    ]  # fmt: skip
    assert found["newest"][0]["value"].startswith('{"show_id": "latest"')
    assert found["newest"][0]["late_watermark"] == "2024-03-01T03:10:00Z"
    assert found["known"] == {
        "query_id": "q1", "last_epoch": 4, "looked_at": 4, "waiting": {}, "unseen": {}, "unproven_spark": []
    }  # fmt: skip
    text = ask()
    assert "shows: 2 dropped as late, the latest by 2 h" in text
    assert "t.plays partition 1 offset 0" in text
    assert len(ask("--json", "--limit", "1")["newest"]) == 1


@pytest.mark.parametrize(
    ("options", "records"),
    [
        (["--from", DROPPED.isoformat(), "--to", (DROPPED + timedelta(seconds=1)).isoformat()], [1, 1]),
        (["--from", (DROPPED + timedelta(seconds=1)).isoformat()], [1, 0]),
        (["--last", "1h"], [0, 0]),
        (["--by", "event", "--date", "2024-03-01"], [2, 1]),
        (["--by", "event", "--from", "2024-03-01T00:20Z", "--to", "2024-03-01T01:10Z"], [0, 1]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_a_range_selects_by_when_it_was_dropped_or_by_event_time(
    options: list[str], records: list[int], life: Life, ask: Ask
) -> None:
    looked(life)
    assert [one["records"] for one in ask("--json", *options)["sources"].values()] == records


def test_what_the_archive_lacks_is_said_and_not_taken_for_none(life: Life, ask: Ask) -> None:
    publish(life)
    life.commit().archive(1).look()
    known = ask("--json")["known"]
    assert (known["looked_at"], known["waiting"]) == (1, {"plays": 1, "shows": 3})
    assert "shows: up to 3 records that the stream has read are not looked at yet" in ask()
    assert "shows: none dropped as late" in ask()


def test_without_a_ledger_it_is_refused(ask: Ask) -> None:
    assert "the epoch ledger has no rows of contract plays: what was late is not known" in ask(code=3)


def test_a_spark_whose_rule_is_not_proven_ends_with_3(life: Life, ask: Ask) -> None:
    publish(life, spark_version="4.2.0")
    life.spark_version = "4.2.0"
    life.commit().archive().look()
    assert ask("--json", code=3)["known"]["unproven_spark"] == ["4.2.0"]
    assert "what was late is not known in full: the stream ran on Spark 4.2.0" in ask(code=3)


def test_epochs_that_were_purged_unseen_end_with_3(life: Life, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "plays.yaml").write_text(f"{TEXT}\njob: {{kind: spark, checkpoint: /somewhere}}\n")
    life.world.ledger = [row for row in life.world.ledger if row["epoch"] != 2]
    publish(life)
    assert ask("--json", code=3)["known"]["unseen"] == {"plays": 1, "shows": 1}


def test_what_a_later_query_read_again_it_decided_again(life: Life, ask: Ask) -> None:
    """The table keeps both decisions, the command shows the newest query's."""
    looked(life)
    first = dict(life.world.ledger[0])
    again = {**first, "query_id": "q2", "planned_at": START + timedelta(days=40), "source": "shows", "epoch": 0}
    life.world.ledger = [{**again, "partition": 0, "start_offset": 4, "end_offset": 6, "late_watermark_ms": 0}]
    publish(life)
    assert [one["records"] for one in ask("--json")["sources"].values()] == [1, 1]
    assert len(life.rows()) == 3


def test_rows_of_another_contract_are_not_shown(life: Life, ask: Ask) -> None:
    looked(life)
    rows = [{**row, "contract": "another"} for row in life.rows()]
    rows += [{**row, "stream_table": "other.plays_stream"} for row in life.rows()]
    life.world.lake.append(LATE, pa.Table.from_pylist(rows, schema=LATE_SCHEMA))
    assert [one["records"] for one in ask("--json")["sources"].values()] == [2, 1]


def test_a_table_that_another_tool_changed_is_refused(life: Life, ask: Ask) -> None:
    publish(life)
    wrong = pa.schema([pa.field("epoch", pa.string()) if field.name == "epoch" else field for field in LATE_SCHEMA])
    life.world.lake.ensure_table(LATE, wrong)
    assert "column epoch of plumbline.late is string, where the jobs keep long" in ask(code=3)


def test_a_value_cannot_command_a_terminal(life: Life, ask: Ask) -> None:
    looked(life)
    [row] = [row for row in life.rows() if row["source"] == "plays"]
    hostile = {**row, "value": b"\x1b[2Jx", "dropped_at": datetime(2030, 1, 1, tzinfo=UTC), "offset": 99}
    life.world.lake.append(LATE, pa.Table.from_pylist([hostile], schema=LATE_SCHEMA))
    assert "\x1b" not in ask()
    assert ask("--json")["newest"][0]["value"] == "\\x1b[2Jx"
