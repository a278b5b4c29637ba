"""`plumbline quarantine`: counts, the newest records, and nothing of a value that a terminal would obey."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import QUARANTINE
from plumbline.connect.tables import QUARANTINE_SCHEMA
from plumbline.output import printable

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
CONTRACT = """
contract: visits
sources:
  views: {topic: t.views, fields: {id: string, at: timestamp}, event_time: at, watermark: 1 hour, archive: raw.views}
  buys: {topic: t.buys, fields: {id: string, at: timestamp}, event_time: at, watermark: 1 hour, archive: raw.buys}
join: {left: views, right: buys, on: [id], within: [0 minutes, 1 hour]}
output: {key: [id], columns: [views.at], stream_table: joined.stream, batch_table: joined.batch}
"""
HOSTILE = b"\x1b]0;owned\x07\x1b[2J\xc2\x9b31m\\ \xe2\x80\xae[red]bold\r\n" + b"x" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "visits.yaml").write_text(CONTRACT)
    return tmp_path


def fill(folder: Path, *records: tuple[str, str, str, bytes | None]) -> None:
    """Put records into quarantine a minute apart: (contract, source, reason, value)."""
    lake = Lake.open(Home.resolve(folder / "home"))
    lake.ensure_table(QUARANTINE, QUARANTINE_SCHEMA)
    rows = [
        {
            "contract": contract, "source": source, "topic": f"t.{source}", "partition": 0, "offset": n, "value": value,
            "reason": reason, "kafka_timestamp": NOON + timedelta(minutes=n), "noted_at": NOON,
        }
        for n, (contract, source, reason, value) in enumerate(records)
    ]  # fmt: skip
    lake.append(QUARANTINE, pa.Table.from_pylist(rows, schema=QUARANTINE_SCHEMA))


def ask(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert run(["quarantine", str(folder / "visits.yaml"), "--home", str(folder / "home"), *options]) == 0
    return capsys.readouterr().out


def test_counts_by_source_and_reason_and_the_newest_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(
        folder,
        ("visits", "views", "null_key", b"{}"),
        ("visits", "views", "not_json", b"x"),
        ("visits", "views", "not_json", None),
        ("other", "views", "oversize", b"other"),
        ("visits", "views", "not_json", b"y"),
    )
    told = json.loads(ask(folder, capsys, "--limit", "2", "--json"))
    assert told["counts"] == {"views": {"not_json": 3, "null_key": 1}, "buys": {}}
    assert list(told["counts"]["views"]) == ["not_json", "null_key"]
    assert [(one["offset"], one["value"]) for one in told["newest"]] == [(4, "y"), (2, None)]
    assert json.loads(ask(folder, capsys, "--limit", "0", "--json"))["newest"] == []
    page = ask(folder, capsys)
    assert "views: 4 in quarantine" in page
    assert "buys: 0 in quarantine" in page
    assert "t.views partition 0 offset 4  not_json" in page
    assert "other" not in page


def test_a_value_cannot_speak_to_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder, ("visits", "buys", "not_json", HOSTILE))
    for options in ([], ["--json"]):
        out = ask(folder, capsys, *options)
        assert all(character == "\n" or " " <= character <= "~" for character in out)
    assert "[red]bold" in ask(folder, capsys)


def test_a_value_is_shortened_and_every_byte_can_be_told() -> None:
    assert printable(b'{"a": 1}') == '{"a": 1}'
    assert printable(b"\x1b\\x1b\x00\x7f\xff") == "\\x1b\\\\x1b\\x00\\x7f\\xff"
    assert printable(b"x" * 60) == "x" * 60
    assert printable(b"x" * 2_061) == "x" * 60 + " ... 2,001 bytes more"
    assert (printable(b""), printable(None)) == ("", None)


def test_a_home_without_a_quarantine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(ask(folder, capsys, "--json"))
    assert (told["counts"], told["newest"]) == ({"views": {}, "buys": {}}, [])


def test_records_without_a_time_come_last(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder, ("visits", "views", "null_key", b"{}"))
    lake = Lake.open(Home.resolve(folder / "home"))
    row = lake.load(QUARANTINE).scan().to_arrow().to_pylist()[0]
    rows = [row | {"kafka_timestamp": None, "offset": 7}]
    lake.append(QUARANTINE, pa.Table.from_pylist(rows, schema=QUARANTINE_SCHEMA))
    newest = json.loads(ask(folder, capsys, "--json"))["newest"]
    assert [(one["offset"], one["record_time"]) for one in newest] == [(0, "2024-03-01T12:00:00Z"), (7, None)]
    assert "at no known time  t.views partition 0 offset 7" in ask(folder, capsys)
    assert [one["offset"] for one in json.loads(ask(folder, capsys, "--json", "--limit", "1"))["newest"]] == [0]


GUID = b"\x01" + bytes.fromhex("89791762233641869674299b90a802e2")


@pytest.mark.parametrize(("reason", "told"), [("not_avro", True), ("unknown_schema", True), ("null_key", False)])
@pytest.mark.parametrize(
    ("heads", "named"),
    [
        ([GUID], "GUID 89791762-2336-4186-9674-299b90a802e2"),
        ([b"\x00\x00\x00\x00\x07", None], "id 7"),
        (
            [b"\x01\x02", GUID],
            "2 bytes that are neither a GUID nor an id and GUID 89791762-2336-4186-9674-299b90a802e2",
        ),
    ],
    ids=["a GUID", "a number", "two"],
)
def test_a_schema_named_in_a_header_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], reason: str, told: bool, heads: list[bytes], named: str
) -> None:
    fill(folder, ("visits", "views", reason, b"\x02a"))
    lake = Lake.open(Home.resolve(folder / "home"))
    row = lake.load(QUARANTINE).scan().to_arrow().to_pylist()[0]
    rows = [row | {"headers": [{"key": "__value_schema_id", "value": head} for head in heads], "offset": 7}]
    lake.append(QUARANTINE, pa.Table.from_pylist(rows, schema=QUARANTINE_SCHEMA))
    hints = {one["offset"]: one["hint"] for one in json.loads(ask(folder, capsys, "--json"))["newest"]}
    assert hints[0] is None
    assert hints[7] == (f"its schema is named in the header __value_schema_id: {named}" if told else None)
    assert ((hints[7] or "its schema is named") in ask(folder, capsys)) is told


def test_a_record_whose_schema_contradicts_the_contract_says_in_what(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONTRACT.replace("{topic: t.views, ", "{topic: t.views, format: debezium, ")
    text = text.replace("id: string, at: timestamp", "id: string, at: timestamp_millis, d: 'decimal_base64(9,2)'", 1)
    (folder / "visits.yaml").write_text(text)
    decimal = {"name": "org.apache.kafka.connect.data.Decimal", "field": "d", "parameters": {"scale": "3"}}
    columns = [{"name": "io.debezium.time.MicroTimestamp", "field": "at"}, decimal, {"type": "string", "field": "id"}]
    value = {"schema": {"fields": [{"field": "after", "fields": columns}]}, "payload": {"op": "c"}}
    hostile = json.dumps(value).replace("MicroTimestamp", "\\u001b[2J").encode()
    reason = "other_encoding"
    values = (json.dumps(value).encode(), hostile, b"{}", None, b'{"schema": {"fields": [1]}}')
    fill(folder, *(("visits", "views", reason, one) for one in values), ("visits", "gone", reason, values[0]))
    hints = {one["offset"]: one["hint"] for one in json.loads(ask(folder, capsys, "--json"))["newest"]}
    decimals = "d is org.apache.kafka.connect.data.Decimal of scale 3, in the contract decimal_base64(9,2)"
    assert hints[0] == f"at is io.debezium.time.MicroTimestamp, in the contract timestamp_millis; {decimals}"
    assert "\x1b" not in hints[1]
    assert [hints[n] for n in (2, 3, 4)] == [None, None, None]


@pytest.mark.parametrize(("more", "again"), [("", True), ("event_id: id, ", False)])
def test_check_says_what_of_a_database_does_not_enter(
    folder: Path, capsys: pytest.CaptureFixture[str], more: str, again: bool
) -> None:
    text = CONTRACT.replace("{topic: t.views, ", "{topic: t.views, format: debezium, " + more)
    (folder / "visits.yaml").write_text(text)
    assert run(["check", str(folder / "visits.yaml"), "--home", str(folder / "home")]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert page.count("updates and deletes go to quarantine") == 1
    assert ("a row counts again when a snapshot repeats it" in page) is again
