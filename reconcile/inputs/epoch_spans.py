"""The epoch ledger as spans of offsets that do not overlap, and the watermarks they stand under.

A contract may have had several checkpoints (query ids): what a later one read again, it decided again. So each span of
an earlier query ends where a later query began, per partition, and the newest query's watermark is the one in force.
"""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.contract.generations import APART
from plumbline.contract.lateness import closed_until_us, right_closed_until_us, settled_until_us
from plumbline.contract.operators import held_by, let_go_until_us
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.inputs.query_plans import operators_of
from plumbline.reconcile.inputs.reports import QUERY
from plumbline.reconcile.inputs.reports import closed_until_us as closed_until_us_of_job
from plumbline.reconcile.inputs.stream_commits import closing
from plumbline.reconcile.relations.inputs import EPOCHS_CUT, LEDGER, READ, SPANS, TURNS
from plumbline.reconcile.relations.relation import Relation


@dataclass(frozen=True)
class Progress:
    """How far the stream has come: its newest epoch, its evict watermark (ms), and the newest closed times (us).

    Windows of left events are closed up to `closed_until_us`, of right ones up to `right_closed_until_us`, and no
    further row will come with an event time up to `settled_until_us`. A Spark that is not proven leaves all three None.
    `held_by` may hold back later rows than these that the join has written (see `contract.operators.held_by`): then the
    windows are those that the join has closed.
    """

    query_id: str | None = None
    last_epoch: int | None = None
    evict_watermark_ms: int | None = None
    closed_until_us: int | None = None
    right_closed_until_us: int | None = None
    settled_until_us: int | None = None
    held_by: str | None = None

    def tells_closing(self, pins: Pins) -> bool:
        """Whether it says which windows of unmatched rows are closed. A team's own job need not."""
        join = pins.contract.join
        left, right = self.closed_until_us is not None, self.right_closed_until_us is not None
        if self.held_by is not None and self.settled_until_us is None:
            return False
        return (left or not join.keeps_left) and (right or not join.keeps_right)

    def has_closed(self, newest_us: int | None) -> bool:
        """Whether windows of rows up to `newest_us` are closed; not where nobody knows it: without a ledger, or with a
        Spark whose rule is not proven."""
        return self.settled_until_us is not None and (newest_us is None or newest_us <= self.settled_until_us)


def lay_out(pins: Pins) -> Progress:
    """Fill TURNS, SPANS and READ from the epoch ledger. Returns how far the stream has come."""
    join = pins.contract.join
    side = f"CASE source WHEN '{join.left}' THEN 'left' WHEN '{join.right}' THEN 'right' END"
    TURNS.fill(
        pins.con,
        f"""
        WITH queries AS (
            SELECT query_id, row_number() OVER (ORDER BY max(planned_at), query_id) AS age
            FROM {LEDGER} GROUP BY query_id
        )
        SELECT query_id, epoch, age, row_number() OVER (ORDER BY age, epoch) AS turn
        FROM (SELECT DISTINCT query_id, epoch FROM {LEDGER}) JOIN queries USING (query_id)
        """,
    )
    EPOCHS_CUT.fill(
        pins.con,
        f"""
        WITH begun AS (
            SELECT age, source, partition, min(start_offset) AS first_offset
            FROM {LEDGER} JOIN {TURNS} USING (query_id, epoch) GROUP BY ALL
        )
        SELECT {side} AS side, partition, start_offset, epoch, turn, planned_at, late_watermark_ms,
            least(l.end_offset, (SELECT min(first_offset) FROM begun b
                WHERE b.age > t.age AND b.source = l.source AND b.partition = l.partition)) AS end_offset
        FROM {LEDGER} l JOIN {TURNS} t USING (query_id, epoch)
        """,
    )
    SPANS.fill(pins.con, f"FROM {EPOCHS_CUT} WHERE start_offset < end_offset")
    # Of a job of ours each epoch is known; of another, one without records may be all that tells what was read before.
    told = SPANS if pins.contract.job is None else EPOCHS_CUT
    READ.fill(pins.con, f"SELECT side, partition, max(end_offset) AS end_offset FROM {told} GROUP BY ALL")
    return _progress(pins)


def may_come(partition: str, side: str) -> str:
    """SQL that says whether the stream may yet read more of a partition: not of a topic that was recreated since it
    read the new one. What it had not read of the old topic by then will not come later: it is lost."""
    newest = f"SELECT max(partition) // {APART} FROM {READ} WHERE side = '{side}'"
    return f"{partition} // {APART} >= coalesce(({newest}), 0)"


def newest_event_us(pins: Pins, rows: Relation) -> int | None:
    """The newest event time (us) among the rows of an output view; None for an empty one."""
    found = pins.con.execute(f"SELECT epoch_us(max(_event_time)) FROM {rows}").fetchone()
    return None if found is None or found[0] is None else int(found[0])


def _progress(pins: Pins) -> Progress:
    found = pins.con.execute(
        f"""
        SELECT query_id, epoch, evict_watermark_ms, spark_version FROM {LEDGER}
        WHERE query_id = (SELECT arg_max(query_id, (planned_at, query_id)) FROM {LEDGER})
        ORDER BY epoch DESC LIMIT 1
        """
    ).fetchone()
    if found is None:
        return Progress()
    query_id, epoch, evict_ms, version = found
    if _closing_unknown(pins, version):
        return Progress(query_id, epoch, evict_ms)
    if query_id == QUERY:
        closed = closed_until_us_of_job(pins)
        return Progress(query_id, epoch, None, closed, None, None if pins.contract.join.keeps_right else closed)
    low, high = pins.within_ms
    settled: int | None = settled_until_us(evict_ms, low, high, keeps_right=pins.contract.join.keeps_right)
    held = held_by(pins.contract, operators_of(pins, query_id, epoch)) if pins.contract.job is not None else None
    if held is not None:
        settled = let_go_until_us(pins.contract, evict_ms)
    return Progress(
        query_id,
        epoch,
        evict_ms,
        closed_until_us(evict_ms, high),
        right_closed_until_us(evict_ms, low),
        settled,
        held,
    )


def _closing_unknown(pins: Pins, version: str | None) -> bool:
    """Whether nobody knows which windows the stream has closed: its newest epoch ran on a Spark not proven.

    `version` is what the ledger says of that epoch.
    """
    table = pins.contract.output.stream_table
    pinned = pins.snapshots.get(table)  # a recovery looks at the ledger alone
    return pinned is not None and closing(pins.lake.load(table), pinned, version) is not None
