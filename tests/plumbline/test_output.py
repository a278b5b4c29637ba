"""Results go to stdout, one document; all else goes to stderr."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from plumbline import output


def test_json_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2013, 1, 15, 1, tzinfo=timezone(timedelta(hours=1)))
    output.emit({"at": moment, "path": Path("a"), "name": "Zoë"}, True, lambda console: console.print("never"))
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"at": "2013-01-15T00:00:00Z", "path": "a", "name": "Zoë"}
    assert shown.err == ""


def test_a_page_keeps_long_lines_and_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[red]" + "x" * 300
    output.emit({}, False, lambda console: console.print(line))
    assert capsys.readouterr().out == line + "\n"


def test_say_gives_seconds_and_message_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("working [bold]")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith(" s  working [bold]\n")


def test_progress_without_a_terminal_tells_each_tenth_once(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress(1000, "events") as advance:
        for _ in range(100):
            advance(10)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" s  ")[1] for line in lines] == [f"events: {n:,} of 1,000" for n in range(100, 1001, 100)]


def test_progress_without_a_terminal_speaks_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "PLAIN_EVERY_S", 0.0)
    with output.progress(3, "steps") as advance:
        for _ in range(3):
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" s  ")[1] for line in lines] == ["steps: 1 of 3", "steps: 2 of 3", "steps: 3 of 3"]


def test_progress_on_a_terminal_is_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with output.progress(2, "steps") as advance:
        advance(1)
        output.say("between")
        advance(1)
    shown = capsys.readouterr().err
    assert "between" in shown
    assert shown.rstrip().endswith("steps: 2 done")


# datetime without a zone is not a moment: it is printed as it is, never taken for UTC
def test_a_naive_time_gets_no_zone(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"at": datetime(2013, 1, 15), "utc": datetime(2013, 1, 15, tzinfo=UTC)}, True, lambda console: None)
    assert json.loads(capsys.readouterr().out) == {"at": "2013-01-15 00:00:00", "utc": "2013-01-15T00:00:00Z"}
