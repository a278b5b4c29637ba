"""`plumbline init --kafka`: what a sample of the topics tells stands in the draft, with the evidence beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.connect.kafka import Record, create_topics, produce
from plumbline.draft.lines import written
from plumbline.draft.samples import Sample, apart, behind, outward, sample_of, shared, spelled_span
from plumbline.draft.sources import Side, source_lines
from tests.support.stranger import START, TAKES, Stranger


def of(*events: Any, topic: str = "shows") -> Sample:
    return sample_of(topic, [(0, n, json.dumps(event).encode()) for n, event in enumerate(events)])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", None], "string"),
        ([True, False], "boolean"),
        ([1, 2], "long"),
        ([1, 2.5], "double"),
        (["2024-03-01T12:00:00Z", "2024-03-01 12:00:00"], "timestamp"),
        (["2024-03-01T12:00:00Z", "soon"], "string"),
        (["2024-03-01"], "string"),
        ([1, "a"], None),
        ([True, 1], None),
        ([{"a": 1}], None),
        ([None], None),
    ],
)
def test_a_field_has_the_type_of_all_its_values(values: list[Any], kind: str | None) -> None:
    sample = of(*({"x": value} for value in values))
    assert sample.fields.get("x") == kind
    assert sample.left_out == ([] if kind else ["x"])


def test_fields_that_a_contract_cannot_name_are_left_out() -> None:
    assert of({"a b": 1, "_offset": 2, "good": 3}).fields == {"good": "long"}


def test_what_is_no_object_is_counted() -> None:
    sample = sample_of("shows", [(0, 0, b"{}"), (0, 1, b"[1]"), (0, 2, None), (0, 3, b"\xff"), (0, 4, b"{")])
    assert (len(sample.events), sample.others) == (1, 4)


def at(minute: float, **more: Any) -> Mapping[str, Any]:
    return {"at": (START + timedelta(minutes=minute)).isoformat(), **more}


def test_disorder_is_that_behind_the_newest_of_the_partition() -> None:
    events = [(0, 0, 0.0), (0, 1, 30.0), (0, 2, 10.0), (1, 0, 500.0), (1, 1, 499.0), (0, 3, 31.0)]
    sample = sample_of("shows", [(p, offset, json.dumps(at(minute)).encode()) for p, offset, minute in events])
    assert behind(sample, "at") == timedelta(minutes=20)


def test_samples_meet_by_equal_values_of_one_type() -> None:
    left = of(at(0, id="a", n=1), at(1, id="b", n=2), at(2, id="c", n=None))
    right = of(at(5, id="a", n="1"), at(-1, id="a", n="2"), at(9, id="c", n="x"))
    assert shared(left, right) == {("id", "id"): 2}
    assert apart(left, right, ("id", "id"), ("at", "at")) == (3, timedelta(minutes=-1), timedelta(minutes=7))
    assert apart(left, of(at(0, id="z")), ("id", "id"), ("at", "at")) is None


def test_they_meet_in_fields_of_two_names_where_these_are_text() -> None:
    left, right = of(at(0, id="a", n=1), at(1, id="b", n=2)), of(at(7, order="a", m=1), at(9, order="c", m=2))
    assert shared(left, right) == {("id", "order"): 1}
    assert apart(left, right, ("id", "order"), ("at", "at")) == (1, timedelta(minutes=7), timedelta(minutes=7))


def test_bounds_are_rounded_outward() -> None:
    span = timedelta(minutes=61, seconds=3)
    assert [outward(span, up=up) // timedelta(minutes=1) for up in (False, True)] == [61, 62]
    assert [outward(-span, up=up) // timedelta(minutes=1) for up in (False, True)] == [-62, -61]
    assert outward(timedelta(seconds=90.5), up=True) == timedelta(seconds=91)
    assert outward(timedelta(seconds=1.5), up=True) == timedelta(seconds=1.5)


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(), "0 ms"),
        (timedelta(hours=-2), "-2 hours"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=61), "61 seconds"),
        (timedelta(milliseconds=1500), "1500 ms"),
    ],
)
def test_spans_are_spelled_in_whole_units(span: timedelta, told: str) -> None:
    assert spelled_span(span) == told


def test_of_other_records_than_json_the_draft_says_so() -> None:
    side = Side("shows", "t.shows", None, sample_of("t.shows", [(0, 0, b"\x00\x00\x00\x00\x01a")]))
    text = written(source_lines(side, "left", "raw.shows"))
    assert "none of 1 records looked at is a JSON object" in text
    assert "FILL_IN: string" in text


RECORDED = Path(__file__).parents[1] / "debezium" / "recorded"


def recorded(name: str) -> Sample:
    """What Debezium wrote to its table's topic (tests/debezium)."""
    lines = map(json.loads, (RECORDED / f"{name}.jsonl").read_text().splitlines())
    values = [line["value"] for line in lines if line["topic"] == "shop.public.orders"]
    return sample_of("shop.public.orders", [(0, n, value and value.encode()) for n, value in enumerate(values)])


def test_envelopes_of_debezium_are_read_by_their_own_schema() -> None:
    sample = recorded("defaults")
    assert (len(sample.events), sample.changes, sample.others) == (7, 4, 2)
    kinds = {
        "id": "long", "at": "timestamp", "placed": "timestamp_micros", "placed_ms": "timestamp_millis",
        "day": "date_days", "amount": "decimal_base64(10,2)", "wide": "decimal_base64(38,4)", "blob": "binary",
    }  # fmt: skip
    assert kinds.items() <= sample.fields.items()
    assert (sample.left_out, sample.times) == (["free"], ["at", "placed", "placed_ms"])
    assert set(sample.moments("placed").values()) == set(recorded("defaults").moments("at").values()) - {
        at for row, at in sample.moments("at").items() if sample.events[row]["placed"] is None
    }
    text = written(source_lines(Side("orders", sample.topic, None, sample), "left", "raw.orders"))
    refused = "format: debezium +# the records are its envelopes; 4 updates or deletes among them would not enter"
    assert re.search(rf"{refused}$", text, re.MULTILINE)
    right = written(source_lines(Side("orders", sample.topic, None, sample), "right", "raw.orders"))
    assert re.search(rf"{refused}; with reduce 1 of them, updates, would: docs/reduce.md$", right, re.MULTILINE)
    assert "amount: decimal_base64(10,2)" in text
    assert recorded("connect").fields["placed"] == "timestamp_millis"


def test_without_a_schema_the_draft_says_that_numbers_may_be_times() -> None:
    sample = recorded("schemaless")
    assert (sample.format, sample.fields["placed"], sample.fields["amount"]) == ("debezium", "long", "string")
    text = written(source_lines(Side("orders", sample.topic, None, sample), "left", "raw.orders"))
    assert "numbers may be times or days" in text


@pytest.mark.parametrize("schema", [1, "s", {}, {"fields": 1}, {"fields": [1]}, {"fields": [{"field": "after"}]}])
def test_a_schema_of_another_form_tells_nothing(schema: Any) -> None:
    envelope = {"schema": schema, "payload": {"op": "c", "after": {"x": 1}}}
    assert of(envelope).fields == {"x": "long"}


def test_a_strange_column_of_a_schema_is_left_out_and_a_time_beyond_the_calendar_is_none() -> None:
    decimal = "org.apache.kafka.connect.data.Decimal"
    columns = [1, "x", {}, {"field": "d", "name": decimal, "parameters": []}, {"field": "e", "name": decimal}]
    columns += [{"field": "t", "type": "int64", "name": "io.debezium.time.Timestamp"}]
    envelope = {"schema": {"fields": [{"field": "after", "fields": columns}]}}
    sample = of(envelope | {"payload": {"op": "c", "after": {"d": "a", "e": "b", "t": 2**63 - 1}}})
    assert (sample.fields, sample.left_out, sample.moments("t")) == ({"t": "timestamp_millis"}, ["d", "e"], {})


def test_events_that_have_an_op_of_their_own_are_no_envelopes() -> None:
    assert of({"op": "c", "x": 1}, {"op": "u", "payload": {"op": "c"}}).format == "json"


@pytest.mark.kafka
def test_a_draft_has_what_the_topics_records_tell(
    kafka: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_HOME", str(tmp_path / ".plumbline"))
    Stranger(tmp_path).table("ads.takes", TAKES, [])
    topics = ("drafted.impressions", "drafted.plays")
    create_topics(kafka, dict.fromkeys(topics, 1))
    for topic, minute, extra in ((topics[0], 0, {"ad": "x"}), (topics[1], 5, {"seconds": 1.5})):
        events = [at(minute + n - 3 * (n == 7), imp_id=f"s{n}", **extra) for n in range(10)]
        produce(kafka, [Record(topic, b"k", json.dumps(event).encode(), 0, partition=0) for event in events])
    path = tmp_path / "takes.yaml"
    told = ["--left-topic", topics[0], "--right-topic", topics[1]]
    servers = f"bootstrap.servers={kafka['bootstrap.servers']}"
    assert run(["init", str(path), "--from-table", "ads.takes", *told, "--kafka", servers]) == 0
    text = path.read_text()
    assert "imp_id: string" in text
    assert "seconds: double" in text
    assert text.count("event_time: at ") == 2
    assert text.count("none came more than 2 minutes behind the newest of its partition") == 2
    assert f'kafka:\n  bootstrap.servers: "{kafka["bootstrap.servers"]}"\n' in text
    assert "imp_id: 10 of 10 sampled impressions have its value in plays" in text
    assert "their 10 pairs lie 5 minutes to 5 minutes apart" in text
