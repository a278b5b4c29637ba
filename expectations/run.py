"""`plumbline expect`: a contract's suites on its tables, each at one pinned snapshot."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from plumbline.connect.sql_quoting import ident
from plumbline.connect.their_columns import our_types, their_columns, under_our_names
from plumbline.contract.aggregate import whole_windows
from plumbline.contract.errors import SetupError
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.expectations.facts import Fact, gather
from plumbline.expectations.rules import COLUMNS, TYPE, Rule
from plumbline.expectations.subjects import OUTPUTS, STAGING, Subject, subjects

if TYPE_CHECKING:
    import duckdb
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.expectations.document_types import CheckedTable, Expectation, ExpectDocument, Judged


@dataclass(frozen=True)
class Outcome:
    """The report (see `run`), and by subject Great Expectations' suite and validation result."""

    document: ExpectDocument
    suites: Mapping[str, ExpectationSuite]
    validations: Mapping[str, ExpectationSuiteValidationResult]

    @property
    def success(self) -> bool:
        return bool(self.document["success"])

    @property
    def suite(self) -> ExpectationSuite:
        """The first subject's suite."""
        return next(iter(self.suites.values()))


@dataclass(frozen=True)
class _Pin:
    snapshot_id: int | None
    types: dict[str, str]


def run(
    contract: Contract,
    home: Home,
    time_range: TimeRange | None = None,
    *,
    on: Sequence[str] = OUTPUTS,
    staging: str | None = None,
    record: bool = False,
    say: Callable[[str], None] = lambda message: None,
) -> Outcome:
    """Check the rows of the range in the tables that `on` names: "stream", "batch", "sources", "staging". Of an
    aggregate all windows that the range touches.

    The document: `{"contract", "range", "tables": {subject: {"table", "snapshot_id", "rows", "success", "expectations":
    [{"expectation", "column", "why", "success", "unexpected", "observed", "sample"}]}}, "success"}`. A source's subject
    is `sources.NAME`; `staging` names the table of a replay. With `record` it goes to `plumbline.expectations`.
    Raises SetupError for a missing table, and for one without the column that ranges are cut by.
    """
    from plumbline.connect.lake import Lake
    from plumbline.expectations.record import keep_record

    lake, span = Lake.open(home, contract.catalog), whole_windows(contract, time_range or TimeRange())
    tables: dict[str, CheckedTable] = {}
    suites: dict[str, ExpectationSuite] = {}
    validations: dict[str, ExpectationSuiteValidationResult] = {}
    with tempfile.TemporaryDirectory(prefix="plumbline-expect-") as spill, closing(_connection(spill)) as con:
        batch_rows = _counting(con, lake, contract, span)
        wanted = subjects(contract, on, span, datetime.now(UTC), batch_rows, staging)
        pins = [_pin(con, lake, contract, subject, span) for subject in wanted]
        say("expect: loading Great Expectations")
        for subject, pin in zip(wanted, pins, strict=True):
            say(f"expect: {len(subject.rules)} expectations on {subject.table}")
            name = subject.name
            suites[name], validations[name], tables[name] = _check(con, contract, subject, pin, span)
    success = all(table["success"] for table in tables.values())
    document: ExpectDocument = {
        "contract": contract.contract,
        "range": span.as_json(),
        "tables": tables,
        "success": success,
    }
    if record:
        keep_record(lake, contract, document)
    return Outcome(document, suites, validations)


def _check(
    con: duckdb.DuckDBPyConnection, contract: Contract, subject: Subject, pin: _Pin, span: TimeRange
) -> tuple[ExpectationSuite, ExpectationSuiteValidationResult, CheckedTable]:
    """A subject's suite, what Great Expectations makes of its rows, and the report of it."""
    from plumbline.expectations import validation

    of = {"table": subject.table, "snapshot_id": pin.snapshot_id}
    meta = {"plumbline_contract": contract.contract, "plumbline_fingerprint": contract.fingerprint()}
    facts = gather(con, subject.name, subject.rules, pin.types, subject.key)
    suite = validation.suite(_suite_name(contract, subject.name), subject.rules, meta)
    judged = validation.judge(suite, subject.rules, facts, pin.types, {**meta, **of, "range": span.as_json()})
    found = _judgements(subject.rules, facts, judged, pin.types)
    return (
        suite,
        judged,
        {
            "table": subject.table,
            "snapshot_id": pin.snapshot_id,
            "rows": facts[0].rows,
            "success": bool(judged.success),
            "expectations": found,
        },
    )


def check_staging(contract: Contract, home: Home, table: str, time_range: TimeRange) -> tuple[int, list[str]]:
    """How many expectations were checked on a replay's staging table, and in words those that do not hold.

    All rules about each row; not those about all rows together, such as `min_rows`.
    """
    outcome = run(contract, home, time_range, on=[STAGING], staging=table)
    checked = outcome.document["tables"][STAGING]["expectations"]
    failed = [f"{one['why']} ({one['column'] or 'all columns'})" for one in checked if not one["success"]]
    return len(checked), failed


def _suite_name(contract: Contract, subject: str) -> str:
    """Both outputs, and what may become one, share a suite's name."""
    source = subject.partition(".")[2]
    return f"plumbline_{contract.contract}" + (f"_{source}" if source else "")


def _connection(spill: str) -> duckdb.DuckDBPyConnection:
    from plumbline.connect import pinned

    return pinned.connection(temp_dir=spill)


def _counting(con: duckdb.DuckDBPyConnection, lake: Lake, contract: Contract, span: TimeRange) -> Callable[[], int]:
    """A function that counts the batch table's rows of the range when it is called."""

    def batch_rows() -> int:
        batch = Subject("batch_counted", contract.output.batch_table, (), ())
        _pin(con, lake, contract, batch, span)
        [(count,)] = con.execute(f"SELECT count(*) FROM {ident(batch.name)}").fetchall()
        return int(count)

    return batch_rows


def _pin(con: duckdb.DuckDBPyConnection, lake: Lake, contract: Contract, subject: Subject, span: TimeRange) -> _Pin:
    """Make a view, named as the subject, over its rows of the range in the table's newest snapshot."""
    from plumbline.connect import pinned

    table = lake.load(subject.table)
    snapshot = table.current_snapshot()
    types = {field.name: str(field.field_type) for field in table.schema().fields}
    theirs = their_columns(contract, subject.table, types)
    held, types = types, types | our_types(theirs)
    bounded = span != TimeRange()
    _refuse_lacking(subject, types, bounded=bounded)
    time = theirs.get(subject.time, subject.time)
    skipping = f"({span.iceberg(time)}) or {time} is null" if bounded and held[time] != "timestamp" else None
    raw, columns = f"{subject.name}_pinned", {theirs.get(name, name) for name in subject.columns if name in types}
    columns = columns or set(list(held)[:1])  # rows are counted by any column
    snapshot_id = int(snapshot.snapshot_id) if snapshot else None
    pinned.scan(
        con,
        lake,
        subject.table,
        snapshot_id,
        view=raw,
        row_filter=skipping,
        columns=sorted(columns),
        schema=None if subject.topic is None else "archive",
    )
    read = {ours: name for ours, name in theirs.items() if name in columns}
    source = f"({under_our_names(raw, read, {name: held[name] for name in columns})})" if read else ident(raw)
    con.execute(f"CREATE OR REPLACE VIEW {ident(subject.name)} AS SELECT * FROM {source} WHERE {subject.rows(span)}")
    return _Pin(snapshot_id, types)


def _refuse_lacking(subject: Subject, types: Mapping[str, str], *, bounded: bool) -> None:
    """Raise SetupError where the table lacks the column that its rows are selected by."""
    if bounded and subject.time not in types:
        raise SetupError(
            f"{subject.table} has no column {subject.time}, so no range can be selected from it",
            where=subject.table,
            next_step="leave the range out",
        )
    if subject.topic is not None and "topic" not in types:
        raise SetupError(
            f"{subject.table} has no column topic, so nothing tells its records of {subject.topic}",
            where=subject.table,
            next_step="name the archive that the archiver writes, or of another tool's which column is what: "
            "archive_columns",
        )


def _judgements(
    rules: Sequence[Rule], facts: Sequence[Fact], validation: ExpectationSuiteValidationResult, types: Mapping[str, str]
) -> list[Judged]:
    return [_judged(*each, types) for each in zip(rules, facts, validation.results, strict=True)]


def _judged(rule: Rule, fact: Fact, result: ExpectationValidationResult, types: Mapping[str, str]) -> Judged:
    counted = rule.broken is not None and fact.obstacle is None
    return {
        "expectation": cast("Expectation", rule.kind),
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
