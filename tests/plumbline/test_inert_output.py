"""Whatever the data says, a terminal stays a terminal: one line is one line, nothing moves, hides or reorders."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from plumbline import cli, output
from plumbline.contract.errors import UsageError
from plumbline.contract.safe_text import MOST_MARKS, is_unsafe, shown
from tests.support.hostile import HOSTILE

hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def unsafe(text: str) -> list[str]:
    return [char for char in text if char != "\n" and is_unsafe(char)]


def printed(capsys: pytest.CaptureFixture[str], *things: object) -> str:
    def show(console: Console) -> None:
        for thing in things:
            console.print(thing)

    output.emit({}, False, show)
    return capsys.readouterr().out


@hostile
def test_a_value_in_a_line_stays_in_its_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, f"key {text}: drift", "\nnext: explain")
    assert out == f"key {shown(text)}: drift\n\nnext: explain\n"
    assert unsafe(out) == []


@hostile
def test_a_value_in_a_table_stays_in_its_cell(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(text[:20], "rows", box=None)
    table.add_row(text[:40], "12")
    table.add_row("next", "7")
    out = printed(capsys, table)
    assert unsafe(out) == []
    assert out.count("\n") == 3
    assert [line.split()[-1] for line in out.splitlines()] == ["rows", "12", "7"]


@hostile
def test_json_holds_the_value_and_nothing_that_acts(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({text: [text]}, True, lambda _: None)
    out = capsys.readouterr().out
    assert json.loads(out) == {text: [text]}
    assert unsafe(out) == []


@hostile
def test_progress_and_errors_are_one_line(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise UsageError(f"no key {text!r}", where=text, next_step=text)

    output.say(f"reading {text}")
    monkeypatch.setattr(cli.cli, "main", fail)
    assert cli.run(["explain", "x"]) == 2
    err = capsys.readouterr().err
    assert unsafe(err) == []
    assert err.count("\n") == 2


@given(st.text())
def test_shown_text_is_safe_for_good_and_one_to_one_but_for_backslashes(text: str) -> None:
    seen = shown(text)
    assert unsafe(seen) == []
    assert "\n" not in seen
    assert shown(seen) == seen
    if "\\" not in text:
        assert len(shown(text)) >= len(text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x1b[2J\n", "a\\x1b[2J\\n"),
        ("x\u202ey", "x\\u202ey"),
        ("\U000e0041\ud83d", "\\U000e0041\\ud83d"),
        ("Zürich, 東京, Ωμέγα, naïve e\u0301, 👩", "Zürich, 東京, Ωμέγα, naïve e\u0301, 👩"),
        ("e" + "\u0301" * (MOST_MARKS + 1), "e" + "\u0301" * MOST_MARKS + "\\u0301"),
    ],
)
def test_only_what_a_reader_could_not_see_is_spelled_out(text: str, seen: str) -> None:
    assert shown(text) == seen
