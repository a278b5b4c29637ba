"""Whatever a contract says and whatever its tables hold: an answer, or one clear error. Never "a defect".

Contracts, records and table states are drawn at random. What `check` refuses is refused; all else must end in words of
our own. $PLUMBLINE_DRAWS is how many contracts are drawn; a tenth of that again are drawn with tables, and commands run
on them.
"""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from plumbline.cli import DEFECT, run
from plumbline.commands.check import show, understood
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract import formats
from plumbline.contract.admission import parsed_sql, reason_sql, text_sql
from plumbline.contract.errors import ContractError, PlumblineError
from plumbline.contract.evolution import compare
from plumbline.contract.expressions import expressions, only
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.expectations.archive_rules import archive_rules
from plumbline.expectations.rules import rules
from plumbline.output import console
from plumbline.stream_job.events import needed
from tests.support.drawn_contracts import bodies
from tests.support.drawn_jobs import job_tables, with_job
from tests.support.drawn_states import tables

pytestmark = pytest.mark.slow

DRAWS = int(os.environ.get("PLUMBLINE_DRAWS", "500"))
SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
RANGE = ["--from", "2024-03-01T00:00Z", "--to", "2024-03-02T00:00Z"]
COMMANDS = (
    "reconcile",
    "full",
    "expect",
    "lateness",
    "quarantine",
    "report",
    "md",
    "explain",
    "history",
    "status",
    "plan",
)


def contract_of(body: dict[str, object]) -> Contract | None:
    """The drawn contract, or None for one that is refused; the refusal is one line that names a place."""
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
    note(text)
    try:
        return parse(text, "drawn.yaml", {})
    except ContractError as error:
        if not error.where:
            raise AssertionError(f"a refusal without a place: {error}") from error
        return None


@settings(SETTINGS, max_examples=DRAWS)
@given(st.booleans().flatmap(bodies))
def test_a_contract_is_refused_or_says_what_it_means(body: dict[str, object]) -> None:
    contract = contract_of(body)
    if contract is None:
        return
    with redirect_stdout(io.StringIO()):
        document = {**understood(contract), "sql": {"expressions": 0, "unchecked": None}}
        show({**document, "changes": {"checkpoint": [], "tables": []}}, console())
    assert compare(contract, contract).refused == ()
    assert only(contract, None).output.key == contract.output.key
    assert len(rules(contract)) > 0
    for name, source in contract.sources.items():
        assert archive_rules(contract, name)
        assert set(needed(contract, name)) <= set(source.columns)
        if formats.of(source).document is not None:
            assert all((text_sql(source), parsed_sql(source), reason_sql(source, contract.key_columns(name))))
    for one in expressions(contract):
        assert contract.place(one.path)


@settings(SETTINGS, max_examples=max(DRAWS // 10, 1))
@given(st.data())
def test_tables_in_any_state_get_an_answer_or_one_clear_error(data: st.DataObject) -> None:
    answered(data, data.draw(bodies(odd=False)))


@settings(SETTINGS, max_examples=max(DRAWS // 10, 1))
@given(st.data())
def test_tables_of_a_job_that_is_not_ours_get_an_answer_or_one_clear_error(data: st.DataObject) -> None:
    answered(data, with_job(data.draw, data.draw(bodies(odd=False))))


def answered(data: st.DataObject, body: dict[str, Any]) -> None:
    """Draw tables for the contract, and commands on it: any foreseen end will do."""
    contract = contract_of(body)
    if contract is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder), Path(folder) / "jars")
        (home.root / "drawn.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
        try:
            tables(data.draw, Lake.open(home), contract)
            if contract.job is not None:
                job_tables(data.draw, Lake.open(home), contract)
        except PlumblineError:
            return
        for command in ["reconcile", *data.draw(st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=4))]:
            answers(command, contract, home, data.draw)


def answers(command: str, contract: Contract, home: Home, draw: st.DrawFn) -> None:
    """Run a command on the contract in its home: any foreseen end will do."""
    file = home.root / "drawn.yaml"
    key = {name: draw(st.sampled_from(["a", "", "1", "NULL", "true", "x,y"])) for name in contract.output.key}
    day = draw(st.sampled_from([[], [], RANGE]))
    words = {
        "reconcile": ["reconcile", file, *day],
        "full": ["reconcile", file, "--full", "--edges", "--json"],
        "expect": ["expect", file, "--on", "sources", "--on", "outputs", *day],
        "explain": ["explain", "--contract", file, *(w for k, v in key.items() for w in ("--key", f"{k}={v}"))],
        "report": ["report", file, "--out", home.root / "page.html"],
        "md": ["report", file, "--format", "md"],
        "plan": ["replay", "plan", file, *draw(st.sampled_from([RANGE, ["--from-drift", "latest"]]))],
        "status": ["stream", "status", file],
    }
    line = [str(word) for word in words.get(command, [command, file])]
    line += ["--home", str(home.root)]
    note(" ".join(line))
    said, wrong = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(wrong):
        code = run(line)
    note(f"exit {code}\n{wrong.getvalue()[-600:]}")
    assert code in (0, 1, 2, 3)
    assert DEFECT not in wrong.getvalue()
    assert "Traceback" not in wrong.getvalue()
    assert code in (0, 1) or "error: " in wrong.getvalue() or said.getvalue()
