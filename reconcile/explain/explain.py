"""The story of one key, found again in all tables: delivered, admitted or dropped, archived, emitted, seen by batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.aggregate import rows_table
from plumbline.contract.commit_properties import EPOCH_ID, PUBLISHED
from plumbline.contract.errors import UsageError
from plumbline.contract.lineage import EVENT_TIME, LEFT_OFFSET, REPLAY_ID, RIGHT_OFFSET
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.contract.reduce import refuse_reduce
from plumbline.contract.upsert import newness
from plumbline.reconcile import format
from plumbline.reconcile.diff.engine.canonical import rule_for
from plumbline.reconcile.evidence.recomputed_rows import group
from plumbline.reconcile.explain.implied_records import Implied, find_implied
from plumbline.reconcile.explain.kafka_records import find_records
from plumbline.reconcile.explain.keys import Key, read_key
from plumbline.reconcile.explain.story import (
    DROPPED,
    QUARANTINED,
    UNTOLD,
    Delivered,
    Moment,
    Story,
    Written,
    in_order,
    made_from,
    moment_of,
    moments_of,
)
from plumbline.reconcile.inputs.batch_runs import FROM, range_noted
from plumbline.reconcile.inputs.epoch_spans import Progress, lay_out
from plumbline.reconcile.inputs.open_inputs import pinned
from plumbline.reconcile.inputs.pinned_views import Pins, show
from plumbline.reconcile.inputs.row_commits import commit_of, committed
from plumbline.reconcile.inputs.unobserved import ends_of_topics, held_back, of_seen_epochs
from plumbline.reconcile.judge.foreign_ledger import contradicted
from plumbline.reconcile.judge.judge_rows import judge_rows
from plumbline.reconcile.judge.prediction import tell_fates
from plumbline.reconcile.judge.store import findings_sql
from plumbline.reconcile.judge.upserts.due_rows import with_due_rows
from plumbline.reconcile.relations.inputs import BATCH, LEDGER, STREAM
from plumbline.reconcile.relations.judge import FINDINGS_OF_KEY, KEYED, ROWS_OF_KEY
from plumbline.reconcile.relations.relation import Relation
from plumbline.reconcile.relations.upserts import ALL_ROWS

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.model import Contract

Held = list[tuple[str | None, str | None]]
"""The records of rows that are not compared yet; see `held_back`."""


def explain(contract: Contract, home: Home, key: Key, *, memory: str = "512MB") -> Story:
    """Tell what happened to the rows of one output key, whether or not they differ; of upserted tables, to the row in
    each table and to all that the batch reference joined.

    `key` maps the contract's key columns to values as text, None for NULL, or is the values with commas between. Raises
    UsageError for a key that nothing knows (naming the nearest), SetupError for a missing table.
    """
    refuse_reduce(contract)
    wanted = read_key(contract, key)
    with pinned(contract, home, TimeRange(), memory) as pins:
        progress = lay_out(pins)
        everything = show(replace(pins, seen=of_seen_epochs(pins, progress, ends_of_topics(contract, home))))
        matches = _matches(everything, wanted, ident)
        doubted = with_due_rows(_doubted(everything, progress))
        _, attributed = judge_rows(_narrowed(doubted, matches, whole_events=True), progress)
        findings = _findings(doubted, attributed, wanted)
        pins = _narrowed(replace(doubted, batch=ALL_ROWS) if contract.output.is_upsert else doubted, matches)
        implied = find_implied(pins)
        records = find_records(implied.pins, wanted, progress)
        rows = [*_written(pins, pins.stream, matches, implied), *_written(pins, pins.batch, matches)]
        held = held_back(everything, matches)
        if not rows and not records and not held:
            raise _unknown(everything, wanted)
        moments = [moment for record in records for moment in moments_of(record)]
        moments += [*map(moment_of, rows), *_windows(pins, progress, records), *_unwritten(pins, rows, findings, held)]
        verdict = _verdict(rows, findings, held)
        return Story(contract.contract, wanted, verdict, findings, records, in_order(moments))


def _doubted(pins: Pins, progress: Progress) -> Pins:
    """The pins with the mark that a foreign job's whole table contradicts its ledger, where it does."""
    if pins.contract.job is None:
        return pins
    known = progress.last_epoch is not None and not pins.unproven_spark
    if known:
        tell_fates(pins)
    return replace(pins, contradicted=contradicted(pins, progress, fates=known))


def _matches(pins: Pins, key: Mapping[str, str | None], named: Callable[[str], str]) -> str:
    """SQL: the row has this key, its columns as `named` says. Values are compared in the column's own type."""
    batch, stream = (
        dict(zip(rows.columns, rows.types, strict=True))
        for rows in (pins.con.sql(f"FROM {rows} LIMIT 0") for rows in (pins.batch, pins.stream))
    )
    types = {name: str(kind) for name, kind in batch.items()}
    conditions = []
    for name in key:
        if rule_for(batch[name], stream[name]) is None:
            raise UsageError(
                f"key column {name!r} cannot be compared: {batch[name]} in the batch table, {stream[name]} in the "
                "stream's",
                next_step="give it one type in both tables",
            )
    for name, value in key.items():
        if value is None:
            conditions.append(f"{named(name)} IS NULL")
            continue
        typed = f"TRY_CAST({text(value)} AS {types[name]})"
        known = pins.con.execute(f"SELECT {typed} IS NOT NULL").fetchone()
        if not known or not known[0]:
            raise UsageError(f"key {name}: {value!r} is not a {types[name].lower()}", next_step="give it in that type")
        conditions.append(f"{named(name)} = {typed}")
    return " AND ".join(conditions)


def _narrowed(pins: Pins, matches: str, *, whole_events: bool = False) -> Pins:
    """The pins with only the rows of the key in both outputs, and those made from the same records; `whole_events`:
    where rows need not name them, those of the same left event by key and time."""
    con = pins.con
    alike = [f"({matches})"]
    for side in ("left", "right") if pins.contract.join.keeps_right else ("left",):
        lineage = f"SELECT _{side}_partition AS p, _{side}_offset AS o FROM"
        KEYED[side].fill(con, f"{lineage} {pins.batch} WHERE {matches} UNION {lineage} {pins.stream} WHERE {matches}")
        alike.append(f"EXISTS (FROM {KEYED[side]} WHERE p = _{side}_partition AND o = _{side}_offset)")
    if whole_events and pins.contract.job is not None:
        event = group(pins, "", EVENT_TIME)
        events = " UNION ".join(f"SELECT {event} FROM {rows} WHERE {matches}" for rows in (pins.batch, pins.stream))
        alike.append(f"{event} IN ({events})")
    batch, stream = (
        ROWS_OF_KEY[of].fill(con, f"SELECT * FROM {rows} WHERE {' OR '.join(alike)}")
        for of, rows in ((BATCH, pins.batch), (STREAM, pins.stream))
    )
    return replace(pins, batch=batch, stream=stream)


def _findings(pins: Pins, attributed: Relation, key: Mapping[str, str | None]) -> tuple[dict[str, Any], ...]:
    """The key's findings in the shape of plumbline.findings, each with `title` and `sentence`."""
    from plumbline.reconcile.report.stories import tell

    # A key column may be called as a piece of evidence is: it is asked for inside the key.
    matches = _matches(pins, key, lambda name: f"struct_extract(f.key, {text(name)})")
    of_key = FINDINGS_OF_KEY.fill(pins.con, f"SELECT *, NULL::VARCHAR AS fault FROM {attributed} f WHERE {matches}")
    every = findings_sql("", of_key)
    told = f'SELECT * EXCLUDE (run_id, "window", event_time) FROM ({every}) ORDER BY event_time, evidence'
    cursor = pins.con.execute(told)
    names = [column[0] for column in cursor.description or ()]
    found = []
    for row in cursor.fetchall():
        finding = dict(zip(names, row, strict=True))
        story = tell(finding, pins.contract)
        for name in ("key", "evidence", "left_row", "right_row"):
            finding[name] = finding[name] and json.loads(finding[name])
        found.append({**finding, "sentence": story.sentence})
    return tuple(found)


def _written(pins: Pins, output: Relation, matches: str, implied: Implied | None = None) -> list[Written]:
    """The key's rows in one output table, each with the commit that brought it."""
    contract = pins.contract
    is_stream = output == pins.stream
    joined = rows_table(contract) if contract.output.is_upsert else contract.output.batch_table
    name = contract.output.stream_table if is_stream else joined
    table = pins.lake.load(name)
    every = f"SELECT *, NULL AS plumbline_row FROM {output}" if implied is None else implied.rows
    rows = _rows(pins, every, matches, _stands(contract) if contract.output.is_upsert and not is_stream else "NULL")
    has = set(table.schema().column_names)
    found = []
    for event_us, left_partition, left_offset, right_partition, right_offset, replay_id, row, stands in rows:
        same = {LEFT_OFFSET: _literal(left_offset), RIGHT_OFFSET: _literal(right_offset)}
        same[REPLAY_ID] = "NULL" if replay_id is None else text(replay_id)
        told = [f"{column} IS NOT DISTINCT FROM {value}" for column, value in same.items() if column in has]
        moment = from_micros(event_us) if event_us is not None and EVENT_TIME in has else None
        where = " AND ".join([f"({matches})", *told])
        commit = commit_of(pins.con, table, pins.snapshots[name], moment, EVENT_TIME, where)
        properties = commit.properties if commit else {}
        left, right = contract.join.left, contract.join.right
        found.append(
            Written(
                table=name,
                is_stream=is_stream,
                left=None if left_offset is None else f"{left} {left_partition}:{left_offset}",
                right=None if right_offset is None else f"{right} {right_partition}:{right_offset}",
                replay_id=replay_id or properties.get(PUBLISHED),
                at=commit.at if commit else None,
                snapshot_id=commit.snapshot_id if commit else None,
                epoch=properties.get(EPOCH_ID),
                batch_range=format.span(range_noted(properties).as_json()) if FROM in properties else None,
                made=UNTOLD if implied is None or row is None else implied.made[row],
                stands=stands,
            )
        )
    return found


def _rows(pins: Pins, every: str, matches: str, stands: str) -> list[Any]:
    return pins.con.execute(
        f"""
        SELECT epoch_us(_event_time), _left_partition, _left_offset, _right_partition, _right_offset, _replay_id,
            plumbline_row, {stands} AS stands
        FROM ({every}) WHERE {matches} ORDER BY ALL
        """
    ).fetchall()


def _stands(contract: Contract) -> str:
    """SQL: of the joined rows of a key and one event time, the row is the newest: that which the batch table holds."""
    order = ", ".join(f"{ident(column)} DESC NULLS LAST" for column in newness(contract))
    return f"row_number() OVER (PARTITION BY {EVENT_TIME} ORDER BY {order}) = 1"


def _literal(number: int | None) -> str:
    return "NULL" if number is None else str(int(number))


def _windows(pins: Pins, progress: Progress, records: tuple[Delivered, ...]) -> Iterator[Moment]:
    """When the window of each admitted record that may come out alone closed, or that it is still open."""
    if pins.unproven_spark or pins.contradicted:
        return
    join, (low, high) = pins.contract.join, pins.within_ms
    shifts = {join.left: (-high, progress.closed_until_us)}
    if join.keeps_right:
        shifts[join.right] = (low, progress.right_closed_until_us)
    for record in records:
        if record.source not in shifts or record.event_us is None or record.fate in (DROPPED, QUARANTINED):
            continue
        shift_ms, until_us = shifts[record.source]
        found = pins.con.execute(
            f"""
            SELECT epoch, epoch_us(planned_at), evict_watermark_ms FROM {LEDGER}
            WHERE query_id = ? AND (evict_watermark_ms + {shift_ms} - 1) * 1000 >= {record.event_us}
            ORDER BY epoch LIMIT 1
            """,
            [progress.query_id],
        ).fetchone()
        if found is not None:
            watermark = format.moment(from_micros(found[2] * 1000))
            said = f"window of {record.place} closed in epoch {found[0]}, evict watermark {watermark}"
            yield Moment(from_micros(found[1]), "closed", said)
        elif until_us is not None:
            until = format.moment(from_micros(until_us))
            yield Moment(None, "open", f"window of {record.place} is open: windows are closed up to {until}")


def _unwritten(pins: Pins, rows: list[Written], findings: tuple[dict[str, Any], ...], held: Held) -> Iterator[Moment]:
    """Rows that the covering batch run did not make, and rows that the stream did not write, as far as is known."""
    output = pins.contract.output
    if not any(not row.is_stream for row in rows) and pins.runs:
        last = committed(pins.lake.load(output.batch_table), pins.runs[-1].snapshot_id)
        yield Moment(
            last.at if last else None, "seen by batch", f"{output.batch_table}: the batch runs made no such row"
        )
    for left, right in held:
        waits = "of an epoch that was not observed yet: not compared before `plumbline observe` has seen it"
        yield Moment(None, "not observed", f"{output.stream_table}: row {made_from(left, right)}, {waits}")
    if not held and not any(row.is_stream for row in rows):
        why = f": {findings[0]['cause']}" if findings else ""
        yield Moment(None, "not emitted", f"{output.stream_table} holds no such row{why}")


def _verdict(rows: list[Written], findings: tuple[dict[str, Any], ...], held: Held) -> str:
    if not findings:
        return "pending" if held else "match" if rows else "absent"
    return "pending" if all(finding["cause"] == "pending" for finding in findings) else "drift"


def _unknown(pins: Pins, key: Mapping[str, str | None]) -> UsageError:
    """The error for a key that nothing knows, with the nearest one of the batch table."""
    spelled = " || ',' || ".join(f"coalesce(CAST({ident(name)} AS VARCHAR), '')" for name in key)
    asked = ",".join(value or "" for value in key.values())
    found = pins.con.execute(
        f"""
        SELECT spelled FROM (SELECT DISTINCT {spelled} AS spelled FROM {pins.batch})
        WHERE jaro_winkler_similarity(spelled, {text(asked)}) > 0.8
        ORDER BY jaro_winkler_similarity(spelled, {text(asked)}) DESC, spelled LIMIT 1
        """
    ).fetchone()
    return UsageError(
        f"no row and no archived record has the key {format.key(key)!r}",
        where=f"{pins.contract.output.batch_table}, {pins.contract.output.stream_table}",
        next_step=f"did you mean {found[0]!r}?" if found else f"give the values of {', '.join(key)}",
    )
