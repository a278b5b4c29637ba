"""From the report of a drift to the rollback of its repair: each line is executed as the one before printed it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from tests.support.commands import in_a_process, in_here
from tests.support.printed import printed, words
from tests.support.replaying import SECOND_DAY, copy_of
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]


def test_each_printed_line_does_what_it_says_in_a_home_with_an_odd_name(
    original: Scenario, numbers: count[int], tmp_path: Path
) -> None:
    shop = copy_of(original, f"the shop's copy {next(numbers)} [1]")
    before = shop.rows()
    assert SECOND_DAY.start is not None
    assert SECOND_DAY.end is not None
    span = ["--from", SECOND_DAY.start.isoformat(), "--to", SECOND_DAY.end.isoformat()]

    def said(line: list[str], *, code: int = 0) -> str:
        # Only the run has a Spark, and ends it: not the tests' own.
        done = (in_a_process if line[:2] == ["replay", "run"] else in_here)(*line, folder=tmp_path)
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def follow(text: str, command: str, *, code: int = 0) -> str:
        [line] = {line for line in printed(text) if line.startswith(f"plumbline {command} ")}
        return said(words(line), code=code)

    text = said(["reconcile", str(shop.contract_path), *span, "--home", str(shop.home.root)], code=1)
    text = follow(text, "replay plan")
    for step in ("run", "audit", "publish"):
        text = follow(text, f"replay {step}")
    text = follow(text, "reconcile")
    assert "clean" in text
    assert shop.rows() != before

    status = ["replay", "status", "latest", "--home", str(shop.home.root)]
    follow(said(status), "replay rollback")
    assert shop.rows() == before
    follow(said(status), "replay publish")
    follow(said(["replay", "list", "--home", str(shop.home.root)]), "replay rollback")
    assert shop.rows() == before
