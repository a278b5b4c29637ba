"""`plumbline expect`: the contract's suite on the stream's and the batch's table, each at one pinned snapshot."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connect.iceberg_types import quoted
from contract.errors import SetupError
from contract.lineage import EVENT_TIME
from contract.model import Contract
from contract.ranges import TimeRange
from expectations.facts import Fact, gather
from expectations.rules import COLUMNS, TYPE, Rule
from expectations.rules import rules as rules_of

if TYPE_CHECKING:
    import duckdb
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

    from connect.home import Home
    from connect.lake import Lake

SIDES = ("stream", "batch")


@dataclass(frozen=True)
class Outcome:
    """The report (see `run`), the suite, and Great Expectations' validation result of each side."""

    document: Mapping[str, Any]
    suite: ExpectationSuite
    validations: Mapping[str, ExpectationSuiteValidationResult]

    @property
    def success(self) -> bool:
        return bool(self.document["success"])


@dataclass(frozen=True)
class _Pin:
    snapshot_id: int | None
    types: dict[str, str]


def run(
    contract: Contract,
    home: Home,
    time_range: TimeRange | None = None,
    *,
    on: Sequence[str] = SIDES,
    say: Callable[[str], None] = lambda message: None,
) -> Outcome:
    """Check the rows with `_event_time` in the range (and those without one) on the sides "stream" and "batch".

    The document: `{"contract", "range", "tables": {side: {"table", "snapshot_id", "rows", "success", "expectations":
    [{"expectation", "column", "why", "success", "unexpected", "observed", "sample"}]}}, "success"}`.
    Raises SetupError for a missing table, and for one without `_event_time` when a range is asked for.
    """
    from connect.lake import Lake
    from expectations import validation

    lake = Lake.open(home, contract.catalog)
    tables = {"stream": contract.output.stream_table, "batch": contract.output.batch_table}
    span = time_range or TimeRange()
    rules = rules_of(contract)
    meta = {"plumbline_contract": contract.contract, "plumbline_fingerprint": contract.fingerprint()}
    sides: dict[str, dict[str, Any]] = {}
    validations: dict[str, ExpectationSuiteValidationResult] = {}
    with tempfile.TemporaryDirectory(prefix="plumbline-expect-") as spill, closing(_connection(spill)) as con:
        pins = {side: _pin(con, lake, tables[side], span, side) for side in on}
        say("expect: loading Great Expectations")
        suite = validation.suite(f"plumbline_{contract.contract}", rules, meta)
        for side, pin in pins.items():
            say(f"expect: {len(rules)} expectations on {tables[side]}")
            facts = gather(con, side, rules, pin.types, contract.output.key)
            of = {"table": tables[side], "snapshot_id": pin.snapshot_id}
            validations[side] = validation.judge(
                suite, rules, facts, pin.types, {**meta, **of, "range": span.as_json()}
            )
            sides[side] = {**of, **_report(rules, facts, validations[side], pin.types)}
    success = all(side["success"] for side in sides.values())
    document = {"contract": contract.contract, "range": span.as_json(), "tables": sides, "success": success}
    return Outcome(document, suite, validations)


def _connection(spill: str) -> duckdb.DuckDBPyConnection:
    from connect import pinned

    return pinned.connection(temp_dir=spill)


def _pin(con: duckdb.DuckDBPyConnection, lake: Lake, identifier: str, span: TimeRange, view: str) -> _Pin:
    """Make `view` over the rows of the range in the table's newest snapshot."""
    from connect import pinned

    table = lake.load(identifier)
    snapshot = table.current_snapshot()
    schema = table.schemas()[snapshot.schema_id] if snapshot and snapshot.schema_id is not None else table.schema()
    types = {field.name: str(field.field_type) for field in schema.fields}
    bounded = span != TimeRange()
    if bounded and EVENT_TIME not in types:
        raise SetupError(
            f"{identifier} has no column {EVENT_TIME}, so that no range can be cut from it",
            where=identifier,
            next_step="leave the range out",
        )
    # A row without event time is in no range; it must not hide from the expectation that it has one.
    skipping = f"({span.iceberg(EVENT_TIME)}) or {EVENT_TIME} is null" if bounded else None
    within = f"{span.sql(quoted(EVENT_TIME))} OR {quoted(EVENT_TIME)} IS NULL" if bounded else "true"
    raw = f"{view}_pinned"
    snapshot_id = int(snapshot.snapshot_id) if snapshot else None
    pinned.scan(con, lake, identifier, snapshot_id, view=raw, row_filter=skipping)
    con.execute(f"CREATE OR REPLACE VIEW {quoted(view)} AS SELECT * FROM {quoted(raw)} WHERE {within}")
    return _Pin(snapshot_id, types)


def _report(
    rules: Sequence[Rule], facts: Sequence[Fact], validation: ExpectationSuiteValidationResult, types: Mapping[str, str]
) -> dict[str, Any]:
    judged = [_judged(*each, types) for each in zip(rules, facts, validation.results, strict=True)]
    return {"rows": facts[0].rows, "success": bool(validation.success), "expectations": judged}


def _judged(rule: Rule, fact: Fact, result: ExpectationValidationResult, types: Mapping[str, str]) -> dict[str, Any]:
    counted = rule.broken is not None and fact.obstacle is None
    return {
        "expectation": rule.kind,
        "column": rule.arguments.get("column") or ", ".join(rule.columns) or None,
        "why": rule.why,
        "success": bool(result.success),
        "unexpected": fact.unexpected if counted else None,
        "observed": fact.obstacle or _observed(rule, fact, types),
        "sample": list(fact.sample),
    }


def _observed(rule: Rule, fact: Fact, types: Mapping[str, str]) -> Any:
    if rule.kind == COLUMNS:
        return list(types)
    return types[rule.columns[0]] if rule.kind == TYPE else fact.observed
