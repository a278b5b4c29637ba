"""Which tables are checked, and by which rules. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.aggregate import WINDOW_START, Aggregate
from plumbline.contract.archive_columns import archives_of_theirs
from plumbline.contract.lineage import EVENT_TIME, LEFT_OFFSET, LEFT_PARTITION, LINEAGE, REPLAY_ID
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.expectations.archive_rules import RECORD, RECORD_TIME, TIME, archive_rules
from plumbline.expectations.line_rules import line_rules
from plumbline.expectations.range_rules import fresh, proportion
from plumbline.expectations.rules import COLUMNS, Rule, rules

STREAM, BATCH, STAGING = "stream", "batch", "staging"
OUTPUTS = (STREAM, BATCH)
SOURCES = "sources"


@dataclass(frozen=True)
class Subject:
    """One table to check: its rules, the columns that name a row in a sample, and which of its rows are in a range.

    `time` is the column that ranges are cut by. A row without it is in the range by `instead`, where that is given, and
    else in any range: it must not hide from the rule that it has one. `topic` leaves out the rows of other topics.
    """

    name: str
    table: str
    rules: tuple[Rule, ...]
    key: tuple[str, ...]
    time: str = EVENT_TIME
    instead: str | None = None
    topic: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read, each once."""
        own = [self.time, *([self.instead] if self.instead else []), *(["topic"] if self.topic else [])]
        return tuple(dict.fromkeys([*own, *self.key, *(c for rule in self.rules for c in rule.reads)]))

    def rows(self, span: TimeRange) -> str:
        """A DuckDB predicate: the rows of the range."""
        time = ident(self.time)
        missing = span.sql(ident(self.instead)) if self.instead else "true"
        within = "true" if span == TimeRange() else f"({span.sql(time)} OR ({time} IS NULL AND {missing}))"
        return within + (f" AND topic = {text(self.topic)}" if self.topic else "")


def subjects(
    contract: Contract,
    on: Sequence[str],
    span: TimeRange,
    now: datetime,
    batch_rows: Callable[[], int],
    staging: str | None = None,
) -> list[Subject]:
    """What `on` names: "stream", "batch", "sources" (one subject for each, named `sources.NAME`) and "staging".

    `batch_rows` counts the batch table's rows of the range; it is asked only where a rule needs it.
    """
    found = []
    for name in on:
        if name == SOURCES:
            ours = [source for source in contract.sources if source not in archives_of_theirs(contract)]
            found += [_archive(contract, source, span, now) for source in ours]
        elif contract.output.aggregate is not None:
            found.append(_lines(contract, contract.output.aggregate, name, staging or ""))
        elif name == STAGING:
            # How many rows a replayed range holds depends on the range; it is also compared with the batch table.
            found.append(_output(contract, name, staging or "", [rule for rule in rules(contract) if not rule.of_all]))
        else:
            table = contract.output.stream_table if name == STREAM else contract.output.batch_table
            of_stream = name == STREAM and contract.expectations.stream_to_batch is not None
            more = [*fresh(contract, EVENT_TIME, span, now), *(proportion(contract, batch_rows()) if of_stream else ())]
            mine = [*rules(contract), *more]
            found.append(_output(contract, name, table, _of_theirs(contract, mine) if name == STREAM else mine))
    return found


def _lines(contract: Contract, aggregate: Aggregate, name: str, staging: str) -> Subject:
    """A table of an aggregate's lines. It has no block of its own rules: the contract refuses that."""
    table = {STREAM: contract.output.stream_table, BATCH: contract.output.batch_table, STAGING: staging}[name]
    return Subject(name, table, line_rules(contract, aggregate), aggregate.key, WINDOW_START)


def _of_theirs(contract: Contract, found: Sequence[Rule]) -> list[Rule]:
    """The rules that the table of a job that is not ours can meet: it has the lineage columns that `job:` names."""
    if contract.job is None:
        return list(found)
    named = contract.job.columns
    absent = {name for name in LINEAGE if name == REPLAY_ID or (named and name not in named)}
    kept = [rule for rule in found if not absent.intersection(rule.reads)]
    columns = [name for name in contract.table_columns if name not in absent]
    there = {"column_set": columns, "exact_match": False}
    return [replace(rule, arguments=there) if rule.kind == COLUMNS else rule for rule in kept]


def _output(contract: Contract, name: str, table: str, found: Sequence[Rule]) -> Subject:
    key = (*contract.output.key, LEFT_PARTITION, LEFT_OFFSET)
    return Subject(name, table, tuple(found), key)


def _archive(contract: Contract, name: str, span: TimeRange, now: datetime) -> Subject:
    source = contract.sources[name]
    found = (*archive_rules(contract, name), *fresh(contract, TIME, span, now))
    return Subject(f"sources.{name}", source.archive, found, RECORD, TIME, RECORD_TIME, source.topic)
