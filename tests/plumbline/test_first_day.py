"""A first day's commands: init, check, schema, lake, and the local broker as a program of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.connect.processes import alive, birth

CATALOG = "catalog: {type: rst, uri: 'http://127.0.0.1:1'}\n"
KAFKA = "kafka: {bootstrap.servers: '127.0.0.1:1', bootstrap.sarvers: x}\n"


@pytest.fixture
def starter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "mine.yaml"
    assert run(["init", str(path)]) == 0
    assert capsys.readouterr().out == f"wrote {path}; next: plumbline check {path}\n"
    return path


def test_init_never_overwrites_unasked(starter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    starter.write_text("mine")
    assert run(["init", str(starter)]) == 2
    assert "already exists. Next: name another file, or overwrite it with --force" in capsys.readouterr().err
    assert starter.read_text() == "mine"
    assert run(["init", str(starter), "--example", "flights", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(starter), "template": "flights"}
    assert starter.read_text().count("flights.departures") == 1


def test_init_into_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "no" / "c.yaml")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_check_says_what_it_understood(starter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(starter)]) == 0
    shown = capsys.readouterr().out
    for part in (
        "impressions: topic impressions (json), archived in raw.impressions",
        "event time shown_at, watermark 10 minutes",
        "plays.played_at - impressions.shown_at from 0 minutes to 1 hour",
        "impressions.impression_id = plays.impression_id",
        "seconds                  plays.seconds",
        "joined.plays_batch, by the batch reference",
    ):
        assert part in shown


@pytest.mark.spark
def test_check_shows_the_sql_that_decides_rows(starter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = starter.read_text().replace(
        "    archive: raw.plays\n",
        "    archive: raw.plays\n    where: |\n      seconds > 1\n      AND array(seconds)[0] < 9\n"
        "    compute: {minutes: seconds / 60}\n",
    )
    starter.write_text(text)
    assert run(["check", str(starter)]) == 0
    shown = capsys.readouterr().out
    assert "    computes minutes as seconds / 60\n    only where seconds > 1 AND array(seconds)[0] < 9\n" in shown


def test_check_as_json(starter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(starter), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["output"]["columns"][0] == {"name": "impression_id", "from": "impressions.impression_id"}
    assert document["sources"]["plays"]["watermark"] == "10 minutes"
    assert len(document["fingerprint"]) == 16


@pytest.mark.parametrize(
    ("more", "message"),
    [("colour: red\n", "unknown key 'colour'"), (CATALOG, "'rst'"), (KAFKA, "bootstrap.sarvers")],
    ids=["an unknown key", "an unknown catalog", "an unknown property"],
)
def test_check_refuses(starter: Path, more: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    starter.write_text(starter.read_text() + more)
    assert run(["check", str(starter)]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_check_online_without_a_broker(starter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    assert run(["check", str(starter), "--online", "--home", str(home)]) == 3
    assert (
        f"no local broker runs [{home}]. Next: `plumbline kafka start --home {home}`, or a" in capsys.readouterr().err
    )
    assert not home.exists()


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Plumbline contract"


def test_lake_of_an_empty_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lake", "--home", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["pyiceberg"]["uri"].startswith("sqlite:///")
    assert run(["lake", "--home", str(tmp_path)]) == 0
    assert "none yet" in capsys.readouterr().out


def test_kafka_status_and_stop_without_a_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kafka", "status", "--home", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": False, "home": str(tmp_path)}
    assert run(["kafka", "stop", "--home", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no broker runs in {tmp_path}\n"


@pytest.mark.kafka
def test_the_broker_as_a_program(starter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path / "home")]
    with in_foreground("kafka", "start", "--json", "--with-parent", *home) as foreground:
        document = first_document(foreground)
        born = birth(document["pid"])
        assert born is not None

        assert run(["kafka", "start", *home]) == 0
        assert f"the broker runs already: bootstrap.servers={document['bootstrap_servers']}" in capsys.readouterr().out
        assert run(["kafka", "start", "--port", "1", *home]) == 3
        assert "the broker of this home already runs on" in capsys.readouterr().err
        assert run(["check", str(starter), "--online", *home]) == 3
        assert "topic impressions does not exist" in capsys.readouterr().err

        os.kill(foreground.pid, signal.SIGTERM)
        assert foreground.wait(60) == 0
        assert not alive(document["pid"], born)


@contextmanager
def in_foreground(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running command; whatever the test finds, it has ended afterwards."""
    command = [sys.executable, "-m", "plumbline", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def first_document(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The first JSON document that a running command prints."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            break
    found: dict[str, Any] = json.loads("".join(lines))
    return found
