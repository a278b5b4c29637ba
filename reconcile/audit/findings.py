"""The marked stretches with the commits behind them, as rows of a DuckDB table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from plumbline.connect.sql_quoting import text
from plumbline.reconcile.audit.marks import BEHIND, BEYOND_END, DELETED, DOUBLED, HARMLESS, UNKNOWN, Marks
from plumbline.reconcile.audit.past import Past, operation
from plumbline.reconcile.audit.runs import stretches

if TYPE_CHECKING:
    import duckdb

    from plumbline.reconcile.audit.origins import Story

FINDINGS = "findings"
SCHEMA = pa.schema(
    [
        ("kind", pa.string()), ("topic", pa.string()), ("partition", pa.int64()), ("start", pa.int64()),
        ("end", pa.int64()), ("copies", pa.int64()), ("written_by", pa.list_(pa.int64())),
        ("deleted_by", pa.int64()), ("passed_by", pa.list_(pa.int64())), ("sure", pa.bool_()),
    ]
)  # fmt: skip
AT_ONCE = 1 << 14
MOST_WAITING = 100_000
"""So many stretches of one hole may wait for the row behind it; of a longer one it is not said who wrote that."""
_HELD = (DOUBLED, BEYOND_END)


@dataclass(frozen=True)
class Finding:
    """One stretch of a group, `start` to `end` (not included). Commits are snapshot ids.

    `written_by` wrote the copies of a doubled offset, `deleted_by` took a lacking one away, `passed_by` wrote the next
    offset behind a hole that nobody deleted. `sure`: nothing that is no longer known could say otherwise.
    """

    kind: str
    group: int
    start: int
    end: int
    copies: int
    written_by: tuple[int, ...] = ()
    deleted_by: int | None = None
    passed_by: tuple[int, ...] = ()
    sure: bool = False


def found(marks: Marks, past: Past | None) -> Iterator[Finding]:
    """The findings in order of group and offset, neighbours that are alike as one."""
    growing: list[Finding] = []
    waiting: list[Finding] = []  # holes up to here; who wrote the next offset is not seen yet
    events = [marks.runs.events(), *([past.runs.events()] if past else [])]
    for group, start, end, active in stretches(marks.runs.con, *events):
        told = past.story(active) if past else None
        here = [_finding(kind, copies, (group, start, end), past, told) for kind, copies in marks.of(active)]
        growing, done = _grown(growing, [one for one in here if one is not None])
        waiting += [one for one in done if _is_open(one)]
        yield from (one for one in done if not _is_open(one))
        others = waiting and waiting[0].group != group
        ended = past is None or all(one.kind in _HELD for one in growing)
        if others or ended or len(waiting) > MOST_WAITING:
            writers = _writers(past, told) if past and told and told.live and not others else ()
            yield from (replace(one, passed_by=writers) for one in waiting)
            waiting.clear()
    yield from (*waiting, *growing)


def _grown(last: list[Finding], here: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    """(the findings here, those that went on with what they were before; the others of before)."""
    rest, grown = list(last), []
    for one in here:
        before = next((old for old in rest if old.end == one.start and _alike(old, one)), None)
        if before is not None:
            rest.remove(before)
        grown.append(one if before is None else replace(one, start=before.start))
    return grown, rest


def _alike(one: Finding, other: Finding) -> bool:
    return replace(one, start=0, end=0) == replace(other, start=0, end=0)


def _is_open(one: Finding) -> bool:
    """Whether it is a hole that nobody deleted."""
    return one.kind not in (*_HELD, *HARMLESS) and one.deleted_by is None


def _finding(
    kind: str, copies: int, where: tuple[int, int, int], past: Past | None, told: Story | None
) -> Finding | None:
    group, start, end = where
    if past is None or told is None or kind in HARMLESS:
        return None if kind == BEHIND else Finding(kind, group, start, end, copies, sure=kind in HARMLESS)
    if kind in _HELD:
        right = kind == BEYOND_END or told.live == copies
        return Finding(kind, group, start, end, copies, _writers(past, told), sure=told.sure and right and past.clear)
    if told.deleted_by is None:
        return None if kind == BEHIND else Finding(kind, group, start, end, copies, sure=past.whole)
    if kind == BEHIND and told.deleted_by <= past.since:
        return None
    by = past.snapshot_id(told.deleted_by)
    kind = DELETED if kind == BEHIND or kind in UNKNOWN else kind
    return Finding(kind, group, start, end, copies, deleted_by=by, sure=past.clear)


def _writers(past: Past, told: Story | None) -> tuple[int, ...]:
    ids = [past.snapshot_id(number) for number, _ in told.written_by] if told else []
    return tuple(one for one in ids if one is not None)


def store(
    con: duckdb.DuckDBPyConnection, findings: Iterator[Finding], groups: Sequence[tuple[str | None, int]]
) -> None:
    """Fill the table `findings`."""
    con.execute(
        f'CREATE TABLE {FINDINGS} (kind VARCHAR, topic VARCHAR, partition BIGINT, start BIGINT, "end" BIGINT, '
        "copies BIGINT, written_by BIGINT[], deleted_by BIGINT, passed_by BIGINT[], sure BOOLEAN)"
    )
    waiting: list[dict[str, Any]] = []
    for one in findings:
        topic, partition = groups[one.group]
        waiting.append({**vars(one), "topic": topic, "partition": partition})
        if len(waiting) >= AT_ONCE:
            _write(con, waiting)
    _write(con, waiting)


def _write(con: duckdb.DuckDBPyConnection, waiting: list[dict[str, Any]]) -> None:
    con.register("plumbline_findings", pa.Table.from_pylist(waiting, SCHEMA))
    con.execute(f"INSERT INTO {FINDINGS} FROM plumbline_findings")
    con.unregister("plumbline_findings")
    waiting.clear()


def counts(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Kind to stretches, offsets, and rows too many (of doubled offsets)."""
    rows = con.execute(
        f"""
        SELECT kind, count(*), sum("end" - start)::BIGINT,
            sum(CASE WHEN kind = {text(DOUBLED)} THEN (copies - 1) * ("end" - start) ELSE 0 END)::BIGINT
        FROM {FINDINGS} GROUP BY kind
        """
    ).fetchall()
    return {kind: {"stretches": n, "offsets": offsets, "copies": copies} for kind, n, offsets, copies in rows}


def samples(con: duckdb.DuckDBPyConnection, limit: int) -> list[dict[str, Any]]:
    """The first `limit` findings of each kind."""
    kinds = [kind for (kind,) in con.execute(f"SELECT DISTINCT kind FROM {FINDINGS} ORDER BY kind").fetchall()]
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        mine = con.sql(f"FROM {FINDINGS} WHERE kind = {text(kind)} ORDER BY topic, partition, start LIMIT {int(limit)}")
        rows += mine.to_arrow_table().to_pylist()
    return rows


def commits(past: Past | None, ids: set[int]) -> dict[str, Mapping[str, Any]]:
    """What is known of the snapshots: when, which operation, and what the writer noted; `expired` for the others."""
    chain = {int(one.snapshot_id): one for one in past.history.chain} if past else {}
    told: dict[str, Mapping[str, Any]] = {}
    for number in sorted(ids):
        one = chain.get(number)
        if one is None:
            told[str(number)] = {"expired": True, "at": None, "operation": None, "properties": {}}
            continue
        noted = dict(one.summary.additional_properties) if one.summary else {}
        counted = ("added-", "deleted-", "removed-", "total-", "changed-", "replace-partitions")
        told[str(number)] = {
            "expired": False,
            "at": _moment(one.timestamp_ms),
            "operation": operation(one),
            "properties": {key: value for key, value in noted.items() if not key.startswith(counted)},
        }
    return told


def _moment(ms: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC)
