"""What the replay commands read from their options, and what they refuse in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.cli import run
from plumbline.commands.replay_upkeep import _factor


@pytest.mark.parametrize(("text", "factor"), [("max", None), ("10x", 10.0), ("0.5", 0.5)])
def test_a_speed(text: str, factor: float | None) -> None:
    assert _factor(text) == factor


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["feed", "x", "--topic", "a=b", "--speed", "-1x"], "--speed '-1x' is not a speed", id="speed"),
        pytest.param(
            ["feed", "x", "--topic", "a=b", "--speed", "nanx"], "--speed 'nanx' is not a speed", id="not a number"
        ),
        pytest.param(["feed", "x", "--topic", "orders"], "--topic 'orders' is not SOURCE=TOPIC", id="topic"),
        pytest.param(["gc", "--older-than", "-1 day"], "--older-than '-1 day' is not longer than zero", id="age"),
        pytest.param(["gc", "--older-than", "0 days"], "--older-than '0 days' is not longer than zero", id="zero"),
        pytest.param(["gc", "--rollback-for", "soon"], "soon", id="no age"),
        pytest.param(["finish", "latest"], "there is no replay 'latest'", id="nothing planned"),
        pytest.param(["finish", "series-1"], "there is no replay 'series-1'", id="an unknown series"),
    ],
)
def test_refused_in_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", *words, "--home", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
