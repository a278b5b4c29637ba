"""A small language for tests of a whole job: a test is a script of actions over real Kafka, Spark and Iceberg.

`feed` delivers events, `epoch` lets the stream read them, `crash` kills it at a chosen point, `restart` goes on,
`batch` and `reconcile` run the rest, and `expect` holds the stream's table to the plain model of `model.py`, row for
row. Event times are minutes since START.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, end_offsets, produce
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import LATE, QUARANTINE
from plumbline.contract.loader import load
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.demo.feed import caught_up, watermark_after
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.ledger import Ledger
from tests.support.crashing import run_until_killed
from tests.support.model import Event, Outcome, Placed, Row, first_deliveries, ledger_outcome, named

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.stream_job.service import Life

PATIENCE_SECONDS = 120
PARTITIONS = 2
SIDES = {"left": "orders", "right": "payments"}

Feed = Sequence[Event]


def contract_body(name: str, kafka: Mapping[str, str]) -> dict[str, Any]:
    """Orders with their payments of the next hour; both sides tolerate ten minutes."""
    order = {"id": "string", "shop": "string", "at": "timestamp", "label": "string", "amount": "double"}
    payment = {"id": "string", "shop": "string", "paid_at": "timestamp", "payment": "string", "paid": "double"}
    source = {"format": "json", "watermark": "10 minutes"}
    orders = {**source, "topic": f"{name}.orders", "fields": order, "event_time": "at", "archive": "raw.orders"}
    payments = {**source, "topic": f"{name}.payments", "fields": payment, "event_time": "paid_at"}
    return {
        "contract": name,
        "sources": {"orders": orders, "payments": {**payments, "archive": "raw.payments"}},
        "join": {"left": "orders", "right": "payments", "kind": "left_outer", "on": ["id"], "within": within(0, 60)},
        "output": {
            "key": ["id", "payment"],
            "columns": ["orders.label", "orders.amount", "payments.payment", "payments.paid"],
            "stream_table": "joined.stream",
            "batch_table": "joined.batch",
        },
        "stream": {"max_events_per_epoch": 1000, "every": "0 seconds"},
        "kafka": dict(kafka),
    }


def within(low: int, high: int) -> list[str]:
    """`within` in minutes as a contract spells it."""
    return [f"{low} minutes", f"{high} minutes"]


@dataclass
class Scenario:
    """One contract with its topics, home, and everything that was delivered to it."""

    home: Home
    kafka: dict[str, str]
    contract_path: Path
    placed: dict[str, list[Placed]] = field(default_factory=lambda: {"left": [], "right": []})
    seen_ms: tuple[int, int] = (0, 0)

    @classmethod
    def begin(cls, folder: Path, kafka: dict[str, str], name: str, changes: Mapping[str, Any]) -> Scenario:
        """A scenario with empty topics, whose contract is `contract_body` with `changes` laid over it."""
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(_overlaid(contract_body(name, kafka), changes), sort_keys=False))
        made = cls(Home.resolve(folder / "home"), kafka, path)
        create_topics(kafka, {source.topic: PARTITIONS for source in made.contract.sources.values()})
        return made

    def beside(self, folder: str, **changes: Any) -> Scenario:
        """The same topics, with all that was delivered, in another home and with a changed contract."""
        path = self.contract_path.parent / folder / self.contract_path.name
        path.parent.mkdir()
        body = yaml.safe_load(self.contract_path.read_text())
        path.write_text(yaml.safe_dump(_overlaid(body, changes), sort_keys=False))
        return replace(self, home=Home.resolve(path.parent / "home"), contract_path=path)

    def change_contract(self, **changes: Any) -> None:
        """Edit the contract file in place."""
        body = yaml.safe_load(self.contract_path.read_text())
        self.contract_path.write_text(yaml.safe_dump(_overlaid(body, changes), sort_keys=False))

    def rewrite_source(self, source: str, **parts: Any) -> None:
        """Replace whole parts of a source in the contract file, where `change_contract` lays one over the other."""
        body = yaml.safe_load(self.contract_path.read_text())
        body["sources"][source] |= parts
        self.contract_path.write_text(yaml.safe_dump(body, sort_keys=False))

    @property
    def contract(self) -> Contract:
        return load(self.contract_path, aggregates=True, upserts=True, reduced=True)

    @property
    def lake(self) -> Lake:
        return Lake.open(self.home)

    @cached_property
    def spark(self) -> SparkSession:
        """The scenario's own session in the shared JVM."""
        from plumbline.connect.spark import session

        return session(self.home, self.lake, app="scenario")

    @property
    def job(self) -> JobFolder:
        return JobFolder.of(self.contract, self.home)

    @property
    def ledger(self) -> Ledger:
        return self.job.ledger

    def feed(self, left: Feed = (), right: Feed = ()) -> Scenario:
        """Deliver events in the given order, each to its partition; left first."""
        produce(self.kafka, [self._deliver("left", event) for event in left])
        produce(self.kafka, [self._deliver("right", event) for event in right])
        times = [[e.us // 1000 for e in events if e.us is not None] for events in (left, right)]
        self.seen_ms = (max(self.seen_ms[0], *times[0], 0), max(self.seen_ms[1], *times[1], 0))
        return self

    def epoch(self) -> dict[str, Any]:
        """Run the job to the end of the topics, as `plumbline stream run --once` does."""
        from plumbline.stream_job.run import run

        return run(self.contract, self.home, once=True, spark=self.spark)

    restart = epoch

    @contextmanager
    def running(self, life: Life | None = None, say: Callable[[str], None] = lambda line: None) -> Iterator[Scenario]:
        """The job runs live while the block feeds it; it ends as by SIGTERM."""
        from plumbline.stream_job.run import run

        stop, failures, spark = threading.Event(), list[BaseException](), self.spark

        def job() -> None:
            try:
                run(self.contract, self.home, stop=stop, spark=spark, life=life, say=say)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=job, daemon=True)
        self._alive: Callable[[], bool] = thread.is_alive
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join(PATIENCE_SECONDS)
            if failures:
                raise failures[0]
        assert not thread.is_alive(), "the job did not end"

    def live(self, *feeds: tuple[Feed, Feed]) -> Scenario:
        """Run the job live over `feeds` (left, right), each delivered once the stream has caught up with the last."""
        with self.running():
            for left, right in feeds:
                self.feed(left, right).caught_up()
        return self

    def caught_up(self) -> None:
        """Wait until the running stream has read all that was fed and its watermark has followed."""
        sides = (self.contract.left, self.contract.right)
        ends = (end_offsets(self.kafka, sides[0].topic), end_offsets(self.kafka, sides[1].topic))
        wanted = max(0, watermark_after(self.contract, self.seen_ms))

        def reached() -> bool:
            assert self._alive(), "the job ended"
            last = self.ledger.last_epoch()
            return last >= 0 and caught_up(self.ledger.read(last), ends, wanted)

        until(reached, f"the stream has not reached {ends} and watermark {wanted}")

    def crash(self, point: str, chance: float = 0.5, **how: Any) -> str:
        """Run the job in a process of its own and kill its whole group by SIGKILL; says where it stood then.

        `point` and `how`: see `crashing.run_until_killed`.
        """
        return run_until_killed(self, point, chance, **how)

    def batch(self, time_range: TimeRange | None = None) -> dict[str, Any]:
        from plumbline.batch_reference.run import run

        return run(self.contract, self.home, time_range or TimeRange(), spark=self.spark)

    def reconcile(self, time_range: TimeRange | None = None) -> dict[str, Any]:
        from plumbline.reconcile.run import reconcile

        return reconcile(self.contract, self.home, time_range).document

    def rows(self, table: str | None = None) -> list[Row]:
        """All rows of a table (None: the stream's), without the replay id, in the order of their lineage.

        An event that was delivered several times is named by its first place.
        """
        found = self.lake.load(table or self.contract.output.stream_table).scan().to_arrow().to_pylist()
        contract = self.contract
        first = {side: first_deliveries(contract, side, placed) for side, placed in self.placed.items()}
        return sorted((_by_first_delivery(Row.of(row), first) for row in found), key=Row.place)

    def outcome(self) -> Outcome:
        """What the model says the stream holds after the epochs in the ledger."""
        return ledger_outcome(self.contract, self.placed, list(self.ledger.epochs()))

    def expect(self, rows: Sequence[str] | None = None, late: Sequence[str] | None = None) -> None:
        """The stream's table equals the model, row for row.

        Besides, when given: `rows` are the rows, spelled `left+right` or `left` by the events' names, and `late` the
        names of the events that were dropped.
        """
        outcome = self.outcome()
        assert self.rows() == outcome.rows
        if rows is not None:
            assert named(outcome.rows) == sorted(rows)
        if late is not None:
            assert outcome.late == sorted(late)

    def archived(self) -> dict[str, list[tuple[int, int, bytes | None]]]:
        """(partition, offset, value) of every archived record per side, sorted."""
        found = {}
        for side, name in SIDES.items():
            table = self.lake.load(self.contract.sources[name].archive).scan().to_arrow()
            found[side] = sorted(zip(*(table[c].to_pylist() for c in ("partition", "offset", "value")), strict=True))
        return found

    def quarantined(self) -> list[tuple[str, int, int, str]]:
        """(source, partition, offset, reason) of every row in quarantine, sorted."""
        table = self.lake.load(QUARANTINE).scan().to_arrow()
        return sorted(zip(*(table[c].to_pylist() for c in ("source", "partition", "offset", "reason")), strict=True))

    def late_rows(self) -> list[tuple[str, int, int]]:
        """(side, partition, offset) of every row in plumbline.late, sorted."""
        if not self.lake.exists(LATE):
            return []
        table = self.lake.load(LATE).scan().to_arrow()
        return sorted(zip(*(table[c].to_pylist() for c in ("side", "partition", "offset")), strict=True))

    def noted_as_late(self) -> list[str]:
        """The names of the events in plumbline.late, sorted as `Outcome.late` is."""
        called = {(side, p.partition, p.offset): p.event.called for side, placed in self.placed.items() for p in placed}
        return sorted(called[place] for place in self.late_rows())

    def poisoned(self) -> list[tuple[str, int, int, str]]:
        """The same of what was fed and cannot enter the join."""
        return sorted(
            (SIDES[side], p.partition, p.offset, p.event.reason)
            for side, placed in self.placed.items()
            for p in placed
            if p.event.reason is not None
        )

    def delivered(self) -> dict[str, list[tuple[int, int, bytes | None]]]:
        """The same of every record that was fed."""
        return {
            side: sorted((p.partition, p.offset, p.event.value(side)) for p in placed)
            for side, placed in self.placed.items()
        }

    def _deliver(self, side: str, event: Event) -> Record:
        offset = sum(other.partition == event.partition for other in self.placed[side])
        self.placed[side].append(Placed(event, event.partition, offset))
        topic = self.contract.sources[SIDES[side]].topic
        moment = max(0, (event.us or 0) // 1000)
        key, value = (event.id or "").encode(), event.value(side)
        return Record(topic, key, value, moment, list(event.headers), partition=event.partition)


def _by_first_delivery(row: Row, first: Mapping[str, Mapping[Any, Placed]]) -> Row:
    """The row with the places of its events' first deliveries; the same where the contract has no event id."""
    places = {"left": row.left, "right": row.right}
    for side, place in places.items():
        if place in first[side]:
            places[side] = first[side][place].partition, first[side][place].offset
    return replace(row, left=places["left"], right=places["right"])


def until(condition: Callable[[], bool], otherwise: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for `condition`; fail with `otherwise` after `seconds`.

    A look at a ledger loads its contract: looks take a twentieth of the time, so that the job which they wait for has
    the machine.
    """
    deadline, begun = time.monotonic() + seconds, time.thread_time()
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise} within {seconds} s"
        looked, begun = time.thread_time() - begun, time.thread_time()
        time.sleep(min(0.5, max(0.02, 20 * looked)))


def _overlaid(body: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(body)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = _overlaid(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return merged
