"""`plumbline init --from-table`: what the tables of a team's own job tell stands in the draft, the rest is marked."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from pyiceberg.catalog.sql import SqlCatalog

from plumbline.cli import run
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.loader import parse
from tests.support.commands import in_here
from tests.support.stranger import (
    ANSWERS,
    IMPRESSIONS,
    PLACES,
    PLAYS,
    SINK,
    START,
    TAKES,
    TIME,
    UNZONED,
    Stranger,
    archived,
    filled,
)
from tests.test_readme import ROOT, commands

BOTH_ARCHIVES = ("--left-archive", "raw.impressions", "--right-archive", "raw.plays")


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stranger:
    monkeypatch.setenv("PLUMBLINE_HOME", str(tmp_path / ".plumbline"))
    return Stranger(tmp_path)


@pytest.fixture
def with_tables(stranger: Stranger) -> Stranger:
    """Ten impressions, each played but the fourth; the stream lost one and has a wrong value in another."""
    takes, twin = [], []
    for n in range(10):
        at, ad, seconds = START + timedelta(minutes=n), f"t{n}", None if n == 4 else n / 2
        row = {"imp_id": f"s{n}", "ad": ad, "seconds": seconds, "day": at.date()}
        twin.append(row | {"shown_at": at})
        takes.append(row | {"shown_at": at.replace(tzinfo=None), "seconds": -1.0 if n == 7 else seconds})
    del takes[2]
    stranger.table("ads.takes", TAKES, takes, {"flink.job-id": "a1"})
    stranger.table("ads.takes_reference", {**TAKES, "shown_at": TIME}, twin)
    for name, columns, time, minutes in (("impressions", IMPRESSIONS, "shown_at", 0), ("plays", PLAYS, "played_at", 5)):
        stranger.table(f"raw.{name}", {**columns, **PLACES}, archived(name, time, minutes))
    return stranger


def test_a_draft_of_job_twin_and_archives_leads_to_a_verdict(
    with_tables: Stranger, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, places = with_tables.drafted(*BOTH_ARCHIVES, "--batch-table", "ads.takes_reference", "--key", "imp_id")
    assert list(places.values()) == [
        *["topic: FILL_IN", "watermark: FILL_IN"] * 2,
        *["kind: FILL_IN", "on: [FILL_IN]", "within: FILL_IN"],
        *["- {imp_id: FILL_IN}", "- {day: FILL_IN}"],
    ]
    assert {lines[number - 1].partition("#")[0].strip() for number in places} == set(places.values())
    path = with_tables.folder / "takes.yaml"
    path.write_text(filled(lines))
    assert run(["check", str(path)]) == 0
    assert "grows" not in capsys.readouterr().out
    body = yaml.safe_load(path.read_text())
    assert body["job"] == {"kind": "flink", "event_time": "shown_at"}
    assert body["output"] == {
        "key": ["imp_id"],
        "columns": [{"imp_id": "impressions.imp_id"}, "impressions.ad", "impressions.shown_at", "plays.seconds"],
        "stream_table": "ads.takes",
        "batch_table": "ads.takes_reference",
        "event_time": "shown_at",
    }
    impressions = body["sources"]["impressions"]
    assert impressions["fields"] == {"imp_id": "string", "ad": "string", "shown_at": "timestamp"}
    assert impressions["archive_columns"] == {
        **{name: f"_kafka_metadata_{name}" for name in SINK},
        "event_time": "shown_at",
    }
    assert run(["reconcile", str(path), "--json"]) == 1
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["match"], counts["missing"], counts["mismatch"], counts["extra"]) == (8, 1, 1, 0)


def test_what_no_table_tells_is_marked_and_check_names_each_line(with_tables: Stranger) -> None:
    lines, places = with_tables.drafted()
    body = "\n".join(lines)
    assert re.findall(r"^ +- (.*?)\s+#", body, re.M) == [f"{{{name}: FILL_IN}}" for name in TAKES]
    assert "key: [FILL_IN]" in places.values()
    assert list(places.values()).count("FILL_IN: string") == 2
    done = in_here("check", "takes.yaml", folder=with_tables.folder)
    assert done.returncode == 2
    told = re.search(r"FILL_IN stands on lines ([\d, and]+) \[takes.yaml:(\d+)\]", done.stderr)
    assert told is not None
    assert [int(number) for number in re.findall(r"\d+", told[1])] == list(places)
    assert int(told[2]) == min(places)


def test_without_archives_the_filled_draft_names_new_tables(with_tables: Stranger) -> None:
    lines, _ = with_tables.drafted("--left-topic", "t.views", "--right-topic", "a-b", "--key", "imp_id")
    named = {"FILL_IN": "imp_id", "event_time": "at", "imp_id": "views.imp_id", "shown_at": "views.at"}
    text = filled(lines, ANSWERS | named).replace("imp_id: string", "imp_id: string\n      at: timestamp")
    contract = parse(text)
    assert [source.topic for source in contract.sources.values()] == ["t.views", "a-b"]
    assert [source.archive for source in contract.sources.values()] == ["raw.views", "raw.a_b"]
    assert contract.output.batch_table == "ads.takes_batch"


def test_both_topics_are_named_by_one_option_given_twice(with_tables: Stranger) -> None:
    lines, _ = with_tables.drafted("--from-topic", "t.views", "--from-topic", "a-b", "--key", "imp_id")
    (with_tables.folder / "takes.yaml").unlink()
    assert with_tables.drafted("--left-topic", "t.views", "--right-topic", "a-b", "--key", "imp_id")[0] == lines


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--from-topic", "a"), "a join has two sides, and --from-topic names 1"),
        (("--from-topic", "a") * 3, "a join has two sides, and --from-topic names 3"),
        (("--from-topic", "a", "--from-topic", "b", "--left-topic", "c"), "topics are named in two ways"),
    ],
)
def test_topics_that_are_not_of_two_sides_are_refused(
    options: tuple[str, ...], what: str, with_tables: Stranger
) -> None:
    done = with_tables.init(*options)
    assert done.returncode == 2
    assert what in done.stderr
    assert not (with_tables.folder / "takes.yaml").exists()


@pytest.mark.parametrize(
    ("times", "place"),
    [
        ({"at": TIME}, None),
        ({"at": UNZONED}, None),
        ({"at": TIME, "seen": UNZONED}, "(at or seen)"),
        ({"at": TIME, "seen_at": TIME, "x-time": TIME}, "(at or seen_at)"),
        ({"x-time": TIME}, "the left event's time;"),
        ({}, "the left event's time;"),
    ],
)
def test_the_event_time_is_the_one_timestamp_or_is_asked_for(
    stranger: Stranger, times: dict[str, pa.DataType], place: str | None
) -> None:
    stranger.table("ads.takes", {"id": pa.string(), **times})
    lines, places = stranger.drafted()
    (line,) = [line for line in lines[:12] if line.startswith("  event_time: ")]
    if place is None:
        assert line.startswith("  event_time: at ")
        assert "the only timestamp" in line
    else:
        assert "event_time: FILL_IN" in places.values()
        assert place in line


@pytest.mark.parametrize(
    ("said", "option", "kind"),
    [
        ([{"flink.job-id": "a"}, {}], (), "flink"),
        ([{"spark.sql.streaming.queryId": "q"}], (), "spark"),
        ([{"spark.sql.streaming.queryId": "q"}, {"flink.job-id": "a"}], (), "FILL_IN"),
        ([{"engine-name": "spark"}], (), "FILL_IN"),
        ([], (), "FILL_IN"),
        ([{"flink.job-id": "a"}], ("--job", "other"), "other"),
    ],
)
def test_the_engine_is_what_its_commits_say(
    stranger: Stranger, said: list[dict[str, str]], option: tuple[str, ...], kind: str
) -> None:
    stranger.table("ads.takes", {"id": pa.string()})
    for each in said:
        stranger.table("ads.takes", {"id": pa.string()}, [], each)
    lines, _ = stranger.drafted(*option)
    assert next(line.split()[1] for line in lines if line.startswith("  kind: ")) == kind


def test_a_key_is_never_guessed_and_a_wrong_one_is_refused(with_tables: Stranger) -> None:
    done = with_tables.init("--key", "ip_id")
    assert done.returncode == 2
    assert "--key ip_id: ads.takes has no such column" in done.stderr
    assert "did you mean imp_id?" in done.stderr
    with_tables.table("ads.narrow", {"ad": pa.string()})
    done = with_tables.init("--key", "imp_id", "--batch-table", "ads.narrow")
    assert "--key imp_id: ads.narrow has no such column" in done.stderr
    assert not (with_tables.folder / "takes.yaml").exists()


def test_what_the_twin_lacks_is_not_compared(with_tables: Stranger) -> None:
    with_tables.table("ads.narrow", {"imp_id": pa.string(), "at": TIME})
    lines, _ = with_tables.drafted("--batch-table", "ads.narrow")
    assert "    # not compared, ads.narrow does not have it: ad, string" in lines
    assert [line.split()[1] for line in lines if line.startswith("    - ")] == ["{imp_id:"]
    assert [line for line in lines if line.startswith("  event_time: at ")]


HOSTILE = {
    "id": pa.string(),
    "on": pa.int64(),
    "no": pa.string(),
    "ID": pa.int64(),
    "a\nb: c": pa.string(),
    "x-y": pa.string(),
    "_value": pa.string(),
    "FILL_IN": pa.string(),
    "tags": pa.list_(pa.string()),
    "who": pa.struct([("name", pa.string())]),
    "price": pa.decimal128(9, 2),
    "null": TIME,
}


def test_odd_columns_make_no_odd_yaml(stranger: Stranger) -> None:
    for name in ("ads.takes", "ads.takes_reference"):
        stranger.table(name, HOSTILE)
    stranger.table("raw.no", {**HOSTILE, "part": pa.int32()})
    stranger.table("raw.impressions", {"imp_id": pa.string(), "shown_at": TIME, **PLACES})
    archives = ("--left-archive", "raw.no", "--right-archive", "raw.impressions")
    lines, _ = stranger.drafted(
        *archives, "--batch-table", "ads.takes_reference", "--key", "on", "--left-topic", "on", "--job", "other"
    )
    places = {"partition": "part", "offset": "part", "on": "{{id: imp_id}}", "tags": "", "who": ""}
    text = filled(lines, ANSWERS | places).replace("- {tags: }", "").replace("- {who: }", "")
    contract = parse(text)
    kinds = {"id": "string", "on": "long", "no": "string", "price": "decimal(9, 2)", "null": "timestamp"}
    assert contract.left.fields == {**kinds, "part": "int"}
    assert contract.left.topic == "on"
    assert contract.job is not None
    assert contract.job.event_time == contract.left.event_time == "null"
    assert contract.output.key == ["on"]
    assert {column.name for column in contract.output_columns} == set(kinds)
    assert "left out, a contract cannot name it: a\\nb: c, string" in text


def test_an_archive_of_our_own_tells_no_fields(stranger: Stranger) -> None:
    stranger.table("ads.takes", {"id": pa.string()})
    stranger.lake.ensure_table("raw.impressions", ARCHIVE_SCHEMA)
    lines, places = stranger.drafted("--left-archive", "raw.impressions")
    assert not [line for line in lines if "archive_columns" in line]
    assert list(places.values()).count("FILL_IN: string") == 2
    assert "    archive: raw.impressions" in lines


def test_a_table_that_is_there_is_not_named_as_new(stranger: Stranger) -> None:
    for name in ("ads.takes", "ads.takes_batch", "raw.impressions"):
        stranger.table(name, {"id": pa.string()})
    lines, places = stranger.drafted("--left-topic", "impressions", "--right-topic", "plays")
    assert {"batch_table: FILL_IN", "archive: FILL_IN"} <= set(places.values())
    assert [line for line in lines if line.startswith("    archive: raw.plays ")]


def test_a_draft_overwrites_no_file(with_tables: Stranger) -> None:
    path = with_tables.folder / "takes.yaml"
    path.write_text("mine")
    for more in ((), ("--force",)):
        done = with_tables.init(*more)
        assert done.returncode == 2
        assert "name another file" in done.stderr
        assert "overwrite it with" not in done.stderr
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "what", "code"),
    [
        (("--example", "flights"), "both --from-table and --example", 2),
        (("--batch-table", "ads.takes"), "ads.takes is named twice", 2),
        (("--left-archive", "plumbline.late"), "cannot name table 'plumbline.late'", 2),
        (("--left-archive", "raw.show"), "raw.show does not exist", 3),
        (("--catalog", "type=rest", "--catalog", "token=abcdef"), "--catalog token may hold a secret", 2),
        (("--catalog", "uri=postgresql://u:abcdef@h/d"), "--catalog uri may hold a secret", 2),
        (("--catalog", "uri=postgresql://u:abcdef${A}@h/d"), "--catalog uri may hold a secret", 2),
        (("--catalog", "uri=${NOT_SET_HERE}"), "environment variable NOT_SET_HERE is not set", 2),
        (("--catalog", "type"), "--catalog takes NAME=VALUE", 2),
    ],
)
def test_wrong_options_are_named_and_nothing_is_written(
    with_tables: Stranger, options: tuple[str, ...], what: str, code: int
) -> None:
    done = with_tables.init(*options)
    assert done.returncode == code
    assert what in done.stderr
    assert "abcdef" not in done.stderr
    assert not (with_tables.folder / "takes.yaml").exists()


@pytest.mark.parametrize("option", ["--key", "--batch-table", "--job", "--from-topic", "--left-topic", "--catalog"])
def test_what_is_for_a_draft_is_refused_without_a_table(tmp_path: Path, option: str) -> None:
    value = {"--job": "spark", "--catalog": "type=rest"}.get(option, "x")
    done = in_here("init", "c.yaml", option, value, folder=tmp_path)
    assert done.returncode == 2
    assert f"{option} is for a draft" in done.stderr
    assert not (tmp_path / "c.yaml").exists()


def test_the_catalog_stands_in_the_draft_as_it_was_typed(
    with_tables: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = with_tables.folder / ".plumbline" / "lake"
    block = dict(with_tables.lake.block)
    monkeypatch.setenv("TEAM_CATALOG", block["uri"])
    options = ("--catalog", "type=sql", "--catalog", "uri=${TEAM_CATALOG}", "--catalog", f"warehouse={lake}")
    lines, _ = with_tables.drafted(*options)
    assert '  uri: "${TEAM_CATALOG}"' in lines
    assert yaml.safe_load("\n".join(lines))["catalog"]["warehouse"] == str(lake)


def test_a_table_of_another_catalog_in_the_database_is_told(with_tables: Stranger) -> None:
    block = dict(with_tables.lake.block)
    theirs = SqlCatalog("prod", uri=block["uri"], warehouse=block["warehouse"])
    theirs.create_namespace("shop")
    theirs.create_table("shop.takes", schema=pa.schema([("id", pa.string())]))
    done = with_tables.init(table="shop.takes")
    assert done.returncode == 3
    assert "shop.takes is in this database, but in the catalog named prod" in done.stderr
    assert "does not exist" in with_tables.init(table="shop.nothing").stderr


def test_the_command_lists_what_is_to_be_filled_in(with_tables: Stranger) -> None:
    done = with_tables.init(*BOTH_ARCHIVES)
    assert "topic: FILL_IN           the Kafka topic of impressions" in done.stdout
    assert done.stdout.endswith("next: plumbline check takes.yaml\n")


def test_the_page_leads_from_tables_to_a_verdict(with_tables: Stranger) -> None:
    """docs/adopt-other.md, with the local catalog instead of one over HTTP."""
    page = (ROOT / "docs" / "adopt-other.md").read_text(encoding="utf-8")
    init, check, reconcile = (line for line in commands(page) if line.startswith("plumbline "))
    there = " --catalog type=rest --catalog 'uri=${PLUMBLINE_CATALOG}'"
    assert init.endswith(there)
    told = in_here(*shlex.split(init.removesuffix(there))[1:], folder=with_tables.folder)
    assert told.stdout.rstrip("\n") in page
    path = with_tables.folder / "takes.yaml"
    path.write_text(filled(path.read_text().splitlines()))
    assert in_here(*shlex.split(check)[1:], folder=with_tables.folder).returncode == 0
    verdict = in_here(*shlex.split(reconcile)[1:], folder=with_tables.folder)
    assert verdict.returncode == 1
    assert "2 differences among 10 batch rows" in verdict.stdout
