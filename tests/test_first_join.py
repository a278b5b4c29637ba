"""docs/first-join.md does what it says, and what its commands refuse."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.contract.debezium import ENVELOPE
from plumbline.contract.errors import UsageError
from plumbline.contract.loader import parse
from plumbline.sample import from_lines, made_up
from tests.test_readme import ROOT, commands
from tests.test_readme import run as shell

STARTER = (ROOT / "plumbline" / "commands" / "starter.yaml").read_text()
NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.spark
@pytest.mark.kafka
@pytest.mark.slow
def test_the_page_leads_from_nothing_to_an_explained_join(tmp_path: Path) -> None:
    told = {}
    for command in commands((ROOT / "docs" / "first-join.md").read_text()):
        done = shell(f"PLUMBLINE_JARS={Home.resolve(None).jars} {command}", tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        told[" ".join(command.split()[1:3])] = done.stdout
    assert "bootstrap.servers=127.0.0.1:" in told["kafka topics"]
    assert "topic plays: 2 partitions, 0 records" in told["kafka topics"]
    assert "sent 360 records: impressions 200, plays 160" in told["kafka produce"]
    assert re.search(r"clean: 19\d of 200 batch rows .*, \d pending", told["reconcile first.yaml"])
    assert "impression_id-1" in told["explain impression_id-1"]
    assert (tmp_path / "first.html").exists()


def test_made_up_events_fit_together_and_are_in_order() -> None:
    contract = parse(STARTER)
    records = list(made_up(contract, 10, NOW))
    events = {"impressions": [], "plays": []}
    for record in records:
        events[record.topic].append(json.loads(record.value or b""))
    left = {event["impression_id"]: event for event in events["impressions"]}
    assert [len(events["impressions"]), len(events["plays"])] == [10, 8]
    for play in events["plays"]:
        after = datetime.fromisoformat(play["played_at"]) - datetime.fromisoformat(
            left[play["impression_id"]]["shown_at"]
        )
        assert contract.join.within[0] <= after <= contract.join.within[1]
    stamps = [record.timestamp_ms for record in records]
    assert stamps == sorted(stamps)
    assert stamps[-1] <= NOW.timestamp() * 1000


ENCODED = ["date_days", "decimal_base64(3,1)"]


@pytest.mark.parametrize(
    "kind", ["string", "int", "long", "double", "date", "binary", "boolean", "decimal(3,1)", *ENCODED]
)
@pytest.mark.parametrize("moment", ["timestamp", "timestamp_millis", "timestamp_micros"])
def test_events_are_made_up_of_any_type(kind: str, moment: str) -> None:
    body = yaml.safe_load(STARTER.replace("  on: ", "  'on': "))
    for name, time in (("impressions", "shown_at"), ("plays", "played_at")):
        body["sources"][name]["fields"] |= {"impression_id": kind, time: moment}
    events = [json.loads(record.value or b"") for record in made_up(parse(yaml.safe_dump(body)), 3, NOW)]
    assert len(events) == 6
    assert all(event["impression_id"] is not None for event in events)


def test_events_of_debezium_are_made_up_as_envelopes_and_sent_by_the_key_of_their_row() -> None:
    body = yaml.safe_load(STARTER.replace("  on: ", "  'on': "))
    body["sources"]["plays"]["format"] = "debezium"
    contract = parse(yaml.safe_dump(body))
    made = [record for record in made_up(contract, 3, NOW) if record.topic == "plays"]
    envelopes = [json.loads(record.value or b"") for record in made]
    assert [one["op"] for one in envelopes] == ["c"] * 3
    assert [record.key.decode() for record in made] == [one["after"]["impression_id"] for one in envelopes]
    row = {"impression_id": "a", "__source_ts_ms": 1}
    assert ENVELOPE.around(row) == {"before": None, "after": row, "op": "c"} | {
        "after": {"impression_id": "a"},
        "source": {"ts_ms": 1},
    }
    for line in ('{"op": "c", "after": {"impression_id": "a"}}', '{"payload": {"after": {"impression_id": "a"}}}'):
        (record,) = from_lines(contract, "plays", [line], NOW, "x.jsonl")
        assert (record.key, record.value) == (b"a", line.encode())


def test_a_line_that_is_no_object_is_named() -> None:
    contract = parse(STARTER)
    (record,) = from_lines(contract, "plays", ['{"impression_id": "a"}', " "], NOW, "x.jsonl")
    assert (record.topic, record.key, record.value) == ("plays", b"a", b'{"impression_id": "a"}')
    for line in ("[1]", "{", "null"):
        with pytest.raises(UsageError, match=r"no JSON object.*x\.jsonl:2"):
            list(from_lines(contract, "plays", ["{}", line], NOW, "x.jsonl"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["produce", "first.yaml"], "give --sample N, or --source NAME with --file FILE"),
        (["produce", "first.yaml", "--source", "plays"], "give --sample N"),
        (["produce", "first.yaml", "--source", "play", "--file", "first.yaml"], "no source 'play'.*impressions, plays"),
        (["produce", "first.yaml", "--source", "plays", "--file", "none.jsonl"], "cannot read 'none.jsonl'"),
        (["topics", "theirs.yaml", "--create"], "--create is for the local broker.*theirs.yaml:"),
    ],
)
def test_refused(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.yaml").write_text(STARTER)
    (tmp_path / "theirs.yaml").write_text(STARTER + "kafka: {bootstrap.servers: '127.0.0.1:1'}\n")
    assert run(["kafka", *words]) == 2
    assert re.search(said, capsys.readouterr().err)
