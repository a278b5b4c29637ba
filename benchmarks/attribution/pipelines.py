"""The same question to real pipelines: Kafka, Spark and Iceberg, with drift planted before and after the batch run.

    .venv/bin/python benchmarks/attribution/pipelines.py [--rounds 2] [--seed 1]

Each round runs the streaming job live over a feed with late events and two events from the future, takes records out of
the archive (some come back after the batch run), runs the batch, and spoils rows of the stream table. What is late or
pending follows from the plain model of tests/model.py, by the ledger; what is late only because of the events from the
future, from the watermarks that the ledger would have without them. Exits 1 when a finding has another cause, or books
do not balance. A round is repeated by its seed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("PLUMBLINE_JARS", str(ROOT / ".plumbline" / "jars"))
for folder in ("tests", "."):
    sys.path.insert(0, str(ROOT / folder))

import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from model import Event, Placed, Row, joined  # noqa: E402
from scenario import SIDES, Scenario  # noqa: E402

from connect.broker import start, stop  # noqa: E402
from connect.home import Home  # noqa: E402
from connect.kafka import Record  # noqa: E402

Label = tuple[str, str]
HOUR, ORDERS, DELAY_MS = 60, 48, 600_000
STREAM, FUTURE = "joined.stream", 240
SPOILS = {"lost_output": 3, "double_commit": 3, "value_divergence": 3, "unexplained": 3}


@dataclass
class Pipeline(Scenario):
    """A scenario whose signs, the events from the future, carry the record time at which they are sent."""

    def _deliver(self, side: str, event: Event) -> Record:
        record = super()._deliver(side, event)
        ahead_ms = FUTURE * 60_000 if event.called.startswith("sign") else 0
        return record._replace(timestamp_ms=record.timestamp_ms - ahead_ms)


@dataclass
class Round:
    """What a round delivered, and what it expects."""

    job: Scenario
    dice: random.Random
    labels: Counter[Label] = field(default_factory=Counter)
    planted: set[str] = field(default_factory=set)

    def feeds(self) -> list[tuple[list[Event], list[Event]]]:
        """Eight hours of orders and payments; one in eight comes two hours late, the signs after half the time."""
        hours: list[tuple[list[Event], list[Event]]] = [([], []) for _ in range(11)]
        for number in range(ORDERS):
            minute = self.dice.uniform(1, 8 * HOUR)
            order = Event(f"k{number}", minute, f"o{number}", partition=self.dice.randrange(2))
            self._put(hours, 0, order)
            for copy in range(self.dice.choice([0, 1, 1, 2])):
                paid = Event(order.id, minute + self.dice.uniform(1, 59), f"p{number}.{copy}", partition=copy)
                self._put(hours, 1, paid)
        for side in (0, 1):
            hours[4][side].append(Event(f"sign{side}", 4 * HOUR + FUTURE, f"sign{side}"))
        hours[10][0].append(Event("end", 5000))
        hours[10][1].append(Event("end", 5000, "p-end"))
        return hours

    def _put(self, hours: list[tuple[list[Event], list[Event]]], side: int, event: Event) -> None:
        late = 2 if self.dice.random() < 0.125 else 0
        hours[min(9, int((event.minute or 0) // HOUR) + late)][side].append(event)

    def late(self, *, signs: bool) -> set[str]:
        """Names of the late events, by watermarks computed anew: of all events, or of all but the signs."""
        late_ms, evict_ms, found = 0, 0, set[str]()
        newest: dict[str, int | None] = {"left": None, "right": None}
        for epoch in self.job.ledger.epochs():
            assert not signs or (late_ms, evict_ms) == (epoch.late_watermark_ms, epoch.evict_watermark_ms)
            for side, first, last in zip(SIDES, epoch.start, epoch.end, strict=True):
                for one in self.job.placed[side]:
                    partition = str(one.partition)
                    if not first.get(partition, 0) <= one.offset < last.get(partition, 0):
                        continue
                    us = one.event.us or 0
                    if us <= late_ms * 1000:
                        found.add(one.event.called)
                    if signs or not one.event.called.startswith("sign"):
                        newest[side] = max(newest[side] or 0, us // 1000)
            late_ms = evict_ms
            known = [ms for ms in newest.values() if ms is not None]
            if len(known) == len(newest):
                evict_ms = max(evict_ms, min(known) - DELAY_MS)
        return found

    def sound(self) -> list[str]:
        """Ids of orders that came in time with their payments, and have one at least; in random order."""
        late, ids = self.late(signs=True), {row.id for row in self.job.outcome().rows if row.payment}
        spoiled = {one.event.id for placed in self.job.placed.values() for one in placed if one.event.called in late}
        free = sorted(id for id in ids - spoiled if id and id.startswith("k"))
        self.dice.shuffle(free)
        return free

    def natural(self, left_out: set[str]) -> None:
        """Label what the batch joins and the stream, by the model, did not write."""
        outcome, late, honest = self.job.outcome(), self.late(signs=True), self.late(signs=False)
        assert sorted(late) == outcome.late
        entered = {side: [p for p in placed if p.event.called not in left_out] for side, placed in self.placed.items()}
        written = {row.named() for row in outcome.rows}
        matched = {row.label for row in outcome.rows if row.payment}
        closed_us = (list(self.job.ledger.epochs())[-1].evict_watermark_ms - HOUR * 60_000 - 1) * 1000
        for row in joined(self.job.contract, entered["left"], entered["right"], None):
            if row.named() in written or row.id in self.planted:
                continue
            final = row.label in matched or row.at.timestamp() * 1e6 <= closed_us
            self.labels[row.named().replace("+", " "), _fate(row, late, honest, final)] += 1

    @property
    def placed(self) -> dict[str, list[Placed]]:
        return self.job.placed


def _fate(row: Row, late: set[str], honest: set[str], final: bool) -> str:
    first = next((name for name in (row.label, row.payment) if name in late), None)
    if first is None or (first == row.payment and not final):
        return "pending"
    return ("late_left" if first == row.label else "late_right") if first in honest else "watermark_poisoned"


def one_round(seed: int, folder: Path, kafka: dict[str, str]) -> tuple[Counter[Label], Counter[Label], bool]:
    """Run a round; the findings expected, those told, and whether the books balance."""
    made: dict[str, Any] = {"output": {"key": ["id"]}}
    job = Pipeline.begin(folder, kafka, f"a{seed}", made)
    this = Round(job, random.Random(seed))
    job.live(*this.feeds())
    free = this.sound()
    gap, cut = ([free.pop() for _ in range(3)] for _ in range(2))
    removed = {cause: _take_out(this, ids) for cause, ids in (("archive_gap", gap), ("arrived_after_batch", cut))}
    job.batch()
    job.lake.append("raw.payments", removed["arrived_after_batch"][1])
    for cause, (names, _) in removed.items():
        for row in job.outcome().rows:
            if row.payment in names:
                this.labels[row.named().replace("+", " "), cause] += 1
    this.natural({name for names, _ in removed.values() for name in names})
    _spoil(this, free)
    document = job.reconcile()
    return this.labels, _told(job), bool(document["balanced"])


def _take_out(this: Round, ids: list[str]) -> tuple[set[str], pa.Table]:
    """Delete the first payment of each id from the archive: names and rows. Never the last offset of a partition."""
    table = this.job.lake.load("raw.payments")
    chosen = {p.event.called: p for p in this.placed["right"] if p.event.id in ids and p.event.called.endswith(".0")}
    rows = table.scan().to_arrow()
    hit = pa.array(
        [
            any((partition, offset) == (p.partition, p.offset) for p in chosen.values())
            for partition, offset in zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True)
        ]
    )
    table.overwrite(rows.filter(pc.invert(hit)))
    this.planted |= set(ids)
    return set(chosen), rows.filter(hit)


def _spoil(this: Round, free: list[str]) -> None:
    """Spoil rows in the stream table, one of an id, and label them."""
    table = this.job.lake.load(STREAM)
    rows, schema = table.scan().to_arrow().to_pylist(), table.scan().to_arrow().schema
    for cause, number in SPOILS.items():
        for _ in range(number):
            id = free.pop()
            row = next(row for row in rows if row["id"] == id and row["payment"])
            this.labels[f"{row['label']} {row['payment']}", cause] += 1
            if cause == "lost_output":
                rows.remove(row)
            elif cause == "double_commit":
                rows.append(row)
            elif cause == "value_divergence":
                row["amount"] = -1.0
            else:
                row |= dict.fromkeys(("payment", "paid", "_right_partition", "_right_offset"))
    table.overwrite(pa.Table.from_pylist(rows, schema=schema))


def _told(job: Scenario) -> Counter[Label]:
    import json

    names = {(side, p.partition, p.offset): p.event.called for side in SIDES for p in job.placed[side]}
    found: Counter[Label] = Counter()
    for row in job.lake.load("plumbline.findings").scan().to_arrow().to_pylist():
        evidence = json.loads(row["evidence"])
        places = [(side, evidence[f"{side}_partition"], evidence[f"{side}_offset"]) for side in SIDES]
        found[" ".join(names[place] for place in places if place in names), row["cause"]] += 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    wrong, causes = 0, Counter[str]()
    # Spark still writes its log below it at the end.
    with tempfile.TemporaryDirectory(prefix="pipelines-", ignore_cleanup_errors=True) as scratch, ExitStack() as last:
        broker = Home.resolve(Path(scratch) / "broker")
        kafka = {"bootstrap.servers": start(broker).bootstrap_servers}
        last.callback(stop, broker)
        for seed in range(given.seed, given.seed + given.rounds):
            folder = Path(scratch) / str(seed)
            folder.mkdir()
            expected, told, balanced = one_round(seed, folder, kafka)
            wrong += (told != expected) + (not balanced)
            for (_, cause), number in expected.items():
                causes[cause] += number
            print(f"seed {seed}: {expected.total()} planted, {told.total()} found, balanced {balanced}", flush=True)
            print(*(f"  told {told - expected}, planted {expected - told}" for _ in [0] if told != expected), sep="\n")
    print(f"{given.rounds} rounds, {wrong} wrong; planted: {dict(causes)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
