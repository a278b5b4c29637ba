"""`plumbline report` on recorded runs: the file, the JSON, and each way to get it wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.expressions import AlwaysTrue

from plumbline.cli import run
from plumbline.contract.ranges import TimeRange
from tests.support.reading_html import Page
from tests.support.world import CONTRACT, OUTPUT, START, World, play, show


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Tables with one late show and one late play, reconciled and recorded."""
    world = make_world().play(
        [show("a", 0), play("pa", "a", 5), show("b", 1)],
        [show("d", 100), play("pd", "d", 120)],
        [],
        [show("x", 3), play("pb", "b", 4)],
        [show("f", 300), play("pf", "f", 301)],
    )
    world.write().reconcile()
    return world


def report(world: World, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    contract = world.home.root / "plays.yaml"
    contract.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    code = run(["report", str(contract), "--home", str(world.home.root), *options])
    out, err = capsys.readouterr()
    return code, out, err


def told(world: World, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[dict[str, Any], Page]:
    out = world.home.root / "page.html"
    code, text, err = report(world, capsys, "--out", str(out), "--json", *options)
    assert (code, err) == (0, "")
    return json.loads(text), Page(out.read_text())


def test_the_latest_run_becomes_one_file(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    result, page = told(world, capsys)
    [run_id] = result["runs"]
    assert result["verdicts"] == ["drift"]
    assert Path(result["file"]).stat().st_size == result["bytes"]
    assert re.search(rf"Run {run_id} \d+ \w+ \d{{4}} \d\d:\d\d UTC", page.text)
    assert page.table("From the batch")["late shows late_left not in the stream"] == ["−1"]
    assert page.table("Records lost")["as they ran"] == ["1", "1"]
    assert "t.plays partition 0 offset" in page.text
    assert [path.name for path in world.home.root.glob("*.part")] == []


def test_before_and_after_show_the_replay_between_them(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    first = world.findings()[0]["run_id"]
    rows = [replace(row, replay_id="20240301-1d-aa").values() for row in world.batch]
    table = world.lake.load("joined.plays_stream")
    mark = {"replay.id": "20240301-1d-aa"}
    table.overwrite(pa.Table.from_pylist(rows, schema=OUTPUT), AlwaysTrue(), snapshot_properties=mark)
    folder = world.home.replays / "20240301-1d-aa"
    folder.mkdir(parents=True)
    day = {"from": "2024-03-01T00:00:00Z", "to": "2024-03-02T00:00:00Z"}
    (folder / "plan.json").write_text(json.dumps({"range": day, "sources": {"shows": {"pieces": [{"door": "kafka"}]}}}))
    (folder / "run.json").write_text(json.dumps({"rows": len(rows)}))
    world.reconcile()
    result, page = told(world, capsys, "--run", first, "--run", "latest")
    assert result["verdicts"] == ["drift", "clean"]
    assert result["replays"] == ["20240301-1d-aa"]
    assert "5 rows 1 Mar 2024, from kafka" in page.text
    assert page.table("The range that was compared again")["after"][:2] == ["5", "5"]


def test_a_page_is_for_the_range_of_its_run(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.reconcile(time_range=TimeRange(START, START.replace(hour=1)))
    _, page = told(world, capsys)
    assert page.table("From the batch")["Batch reference"] == ["3"]


def test_an_unknown_run_names_the_nearest(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = world.findings()[0]["run_id"]
    wrong = run_id[:-1] + ("0" if run_id[-1] != "0" else "1")
    code, _, err = report(world, capsys, "--run", wrong)
    assert code == 2
    assert f"no recorded run '{wrong}'" in err
    assert f"did you mean {run_id}?" in err


def test_no_run_yet(make_world: Callable[..., World], capsys: pytest.CaptureFixture[str]) -> None:
    world = make_world().play([show("a", 0)]).write()
    code, _, err = report(world, capsys)
    assert code == 3
    assert "contract plays has no recorded run yet" in err


def test_a_folder_that_does_not_exist(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = report(world, capsys, "--out", str(world.home.root / "nowhere" / "page.html"))
    assert code == 3
    assert "the page cannot be written" in err
    assert len(err.splitlines()) == 1


def test_an_expired_archive_costs_only_the_curve(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.lake.catalog().drop_table("raw.plays")
    code, _, err = report(world, capsys, "--out", str(world.home.root / "page.html"))
    page = Page((world.home.root / "page.html").read_text())
    assert code == 0
    assert "without the lateness curve" in err
    assert "What another watermark would have lost" not in page.text


def test_markdown_goes_to_stdout_or_to_a_file(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = report(world, capsys, "--format", "md")
    assert (code, err) == (0, "")
    assert out.startswith("### 🔴 `plays`: drift\n\n**No.** 2 differences among 5 batch rows (40 %).")
    target = world.home.root / "message.md"
    assert report(world, capsys, "--format", "md", "--out", str(target))[0] == 0
    assert target.read_text() == out


def test_markdown_on_stdout_is_no_json_document(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = report(world, capsys, "--format", "md", "--json")
    assert (code, out) == (2, "")
    assert "--format md prints Markdown, where --json asks for one JSON document. Next: --format json" in err
    target = world.home.root / "message.md"
    code, out, _ = report(world, capsys, "--format", "md", "--json", "--out", str(target))
    assert (code, json.loads(out)["file"]) == (0, str(target))
    assert target.read_text().startswith("### ")


def test_json_holds_answers_runs_and_keys(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = report(world, capsys, "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["answers"]["true"]["short"] == "No"
    assert found["answers"]["what_to_do"]["commands"][0].startswith("plumbline replay plan ")
    assert [run["verdict"] for run in found["runs"]] == ["drift"]
    assert {key["key"] for key in found["keys"]} == {"x", "b"}
