"""The ledger's files held against what else knows: a record that is cut off, foreign or gone comes back.

An epoch is recorded three times: in the checkpoint's log as long as Spark keeps it, in a file beside the checkpoint,
and in `plumbline.epochs`. A file that does not hold the record of its number is set aside, never deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.generations import APART, Ids
from plumbline.contract.model import Contract
from plumbline.contract.ranges import micros
from plumbline.stream_job.ledger import Epoch, Ledger

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake

LOOK_BACK = 200
"""How many of the newest records are read at a start; older ones are only counted."""


def mend(lake: Lake, contract: Contract, ledger: Ledger) -> int:
    """Set aside files that are not records, restore the newest ones that the table or the log still holds; how many."""
    numbers, query_id = ledger.numbers(), ledger.query_id()
    broken = [number for number in numbers[-LOOK_BACK:] if ledger.valid(number) is None]
    for number in broken:
        ledger.set_aside(number)
    if query_id is None:
        return 0
    sound = sorted(set(numbers) - set(broken))
    known = _published(lake, contract, query_id)
    newest = max([*sound[-1:], *known], default=-1)
    wanted = [number for number in range(max(0, newest - LOOK_BACK), newest + 1) if number not in sound]
    mended = 0
    for number in wanted:
        record = known.get(number) or ledger.from_log(number, query_id)
        if record is not None:
            ledger.keep(record)
            mended += 1
    ledger.forget_count()
    return mended


def _published(lake: Lake, contract: Contract, query_id: str) -> dict[int, Epoch]:
    """The newest epochs of the checkpoint as the table has them."""
    from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual

    if not lake.exists(EPOCHS):
        return {}
    table, mine = lake.load(EPOCHS), EqualTo("query_id", query_id)
    last = max(table.scan(mine, selected_fields=("epoch",)).to_arrow()["epoch"].to_pylist(), default=-1)
    rows = table.scan(And(mine, GreaterThanOrEqual("epoch", max(0, last - LOOK_BACK)))).to_arrow().to_pylist()
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["epoch"], []).append(row)
    return {number: _epoch(contract, rows) for number, rows in found.items()}


def _epoch(contract: Contract, rows: list[dict[str, Any]]) -> Epoch:
    """The record that these rows, one per source and partition, were made from."""
    sides = [[row for row in rows if row["source"] == name] for name in (contract.join.left, contract.join.right)]
    starts = [{str(row["partition"]): int(row["start_offset"]) for row in side} for side in sides]
    ends = [{str(row["partition"]): int(row["end_offset"]) for row in side} for side in sides]
    first = rows[0]
    return Epoch(
        epoch=first["epoch"],
        query_id=first["query_id"],
        run_id=first["run_id"],
        planned_at_ms=micros(first["planned_at"]) // 1000,
        late_watermark_ms=first["late_watermark_ms"],
        evict_watermark_ms=first["evict_watermark_ms"],
        start=(starts[0], starts[1]),
        end=(ends[0], ends[1]),
        topic_ids=(_ids(sides[0]), _ids(sides[1])),
        spark_version=first.get("spark_version"),
    )


def _ids(rows: list[dict[str, Any]]) -> Ids:
    """The ids of the source's topics, oldest first, as far as its partitions name them."""
    found = {row["partition"] // APART: row.get("topic_id") for row in rows}
    if not any(found.values()):
        return ()
    return tuple(found.get(number) for number in range(max(found) + 1))
