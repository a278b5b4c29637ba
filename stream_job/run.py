"""The streaming job: the join and the archiver of both sources, Kafka in, Iceberg out, exactly once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

from plumbline.connect import owners, place
from plumbline.connect.kafka_config import ISOLATION, READ_COMMITTED
from plumbline.connect.lake import Lake
from plumbline.contract.archive_columns import refuse_archive_of_theirs
from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import UnreachableError
from plumbline.contract.foreign_job import refuse_job_of_theirs
from plumbline.contract.model import Contract
from plumbline.stream_job import checkpoint_health, fingerprint, isolation, topics
from plumbline.stream_job.backoff import Backoff
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.join import refuse_wrong_sql
from plumbline.stream_job.queries import Parts
from plumbline.stream_job.service import Life, Service, stop_on_signal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.home import Home
    from plumbline.stream_job.document_types import ArchiveRunDocument, StreamRunDocument

Say = Callable[[str], None]
ONCE = Life(retry_for=timedelta(0))
OBSERVE, ARCHIVE_RUN = "plumbline observe CONTRACT", "plumbline archive run CONTRACT"


def run(
    contract: Contract,
    home: Home,
    *,
    once: bool = False,
    say: Say = lambda message: None,
    spark: SparkSession | None = None,
    stop: threading.Event | None = None,
    life: Life | None = None,
) -> StreamRunDocument:
    """Run the join and the archiver; with `once` to the end of the topics as they stand now, else until a signal.

    `stop` ends the job as SIGTERM and Ctrl-C do: after the running epoch. Either way the join ends first, then the
    archiver takes in what the topics hold, so that the archive never stands behind the stream table. `life` None: a
    job that runs once gives up at the first failure, any other one tries for ever what may pass.

    Returns `{"table", "epochs", "last_epoch", "evict_watermark_ms", "archives", "snapshot_id"}`. Raises SetupError
    for a missing topic or broker and when another process runs the same job, UsageError for a changed contract and
    where the streaming job is a team's own.
    """
    refuse_job_of_theirs(contract, "stream run", f"`{OBSERVE}`; `{ARCHIVE_RUN}` archives the topics")
    _work(contract, home, once=once, say=say, spark=spark, stop=stop, life=life)
    return _result(Lake.open(home, contract.catalog), contract, JobFolder.of(contract, home))


def archive(
    contract: Contract,
    home: Home,
    *,
    once: bool = False,
    say: Say = lambda message: None,
    spark: SparkSession | None = None,
    stop: threading.Event | None = None,
    life: Life | None = None,
) -> ArchiveRunDocument:
    """Run the archivers alone, beside a streaming job of a team's own or in a pause of ours; otherwise as `run`.

    Returns `{"archives": {source: snapshot id}}`.
    """
    refuse_archive_of_theirs(contract, "archive run", "leave archiving to that tool")
    _work(contract, home, once=once, say=say, spark=spark, stop=stop, life=life, joins=False)
    lake = Lake.open(home, contract.catalog)
    return {"archives": {name: _snapshot_id(lake, source.archive) for name, source in contract.sources.items()}}


def _work(
    contract: Contract,
    home: Home,
    *,
    once: bool,
    say: Say,
    spark: SparkSession | None,
    stop: threading.Event | None,
    life: Life | None,
    joins: bool = True,
) -> None:
    from plumbline.connect.embedded import kafka_properties
    from plumbline.connect.spark import session

    life = life or (ONCE if once else Life())
    place.refuse_elsewhere(home)
    job = JobFolder.of(contract, home)
    _refuse_taken_port(life)
    with job.owned():
        place.note(home)
        _refuse_other_contract(job, contract, say, joins=joins)
        kafka = kafka_properties(contract.kafka, home, say)
        _ask_for_topics(contract, kafka, say, patient=life.retry_for != timedelta(0))
        lake = Lake.open(home, contract.catalog)
        _refuse_other_topics(lake, contract, job, kafka, say)
        spark = spark or session(home, lake, app=f"plumbline-stream-{contract.contract}", long_lived=not once)
        refuse_wrong_sql(spark, contract)
        # After Spark's start, which sets a handler of its own for Ctrl-C.
        with stop_on_signal(stop or threading.Event()) as stopping:
            shared = _settle(lake, contract, job, life, stopping, say, joins=joins)
            kafka[ISOLATION] = isolation.of_job(job) or READ_COMMITTED
            job.ledger.sync()
            parts = Parts(spark, lake, contract, job, kafka, say=say, shared=shared, joins=joins)
            _serve(Service(parts, life, say), life, stopping, once=once)


def _refuse_other_contract(job: JobFolder, contract: Contract, say: Say, *, joins: bool) -> None:
    """Refuse a folder of another contract; where the join runs, also changes that its checkpoint does not take."""
    if not joins:
        fingerprint.refuse_other_job(job.fingerprint, contract)
        if contract.job is None or job.fingerprint.exists():
            return
    for change in job.refuse_other_semantics(contract):
        say(f"stream: the contract changed, and the checkpoint accepts it: {change}")


def _refuse_taken_port(life: Life) -> None:
    if life.metrics_port is not None:
        from plumbline.stream_job.metrics import refuse_taken_port

        refuse_taken_port(life.metrics_port)


def _ask_for_topics(contract: Contract, kafka: dict[str, str], say: Say, *, patient: bool) -> None:
    """Refuse a missing topic before Spark starts; a job with patience goes on while no broker answers."""
    from plumbline.connect.kafka import partitions_of

    try:
        partitions_of(contract, kafka)
    except UnreachableError as error:
        if not patient:
            raise
        say(f"stream: {error.what}; going on, it may come")


def _refuse_other_topics(lake: Lake, contract: Contract, job: JobFolder, kafka: dict[str, str], say: Say) -> None:
    """Refuse topics that were recreated before Spark starts; each query's start asks again."""
    try:
        read = {name: topics.ids_of(topics.read_by(job.join, side)) for side, name, _ in topics.sides(contract)}
        ids = {name: topics.agreed(lake, kafka, source, read[name]) for name, source in contract.sources.items()}
        topics.refuse_unturned(job, contract, ids)
        topics.refuse_read_beyond(job, contract, kafka, ids)
    except UnreachableError:
        return
    if any(known[-1] is None for known in ids.values()):
        say("stream: this broker has no topic ids: a recreated topic is noticed only if it ends before what was read")


def _settle(
    lake: Lake, contract: Contract, job: JobFolder, life: Life, stop: threading.Event, say: Say, *, joins: bool
) -> frozenset[str]:
    """See that the checkpoint may go on, with which isolation level, and which archives are another contract's.

    Waits for a catalog that is away as long as the job's life allows.
    """
    backoff = Backoff()
    while not stop.is_set():
        try:
            owners.refuse_taken(lake, contract)
            if joins:
                checkpoint_health.settle(lake, contract, job)
            isolation.settle(lake, contract, job, say)
            return owners.claim_archives(lake, contract, say)
        except UnreachableError as error:
            wait = backoff.wait(time.monotonic())
            if backoff.spent(time.monotonic(), life.retry_for):
                raise
            say(f"stream: the catalog is away, trying again in {wait:.0f} s: {error.what}")
            stop.wait(wait)
    return frozenset()


def _serve(service: Service, life: Life, stop: threading.Event, *, once: bool) -> None:
    with _metrics(service, life):
        service.publish()
        service.run(stop, once=once)


def _metrics(service: Service, life: Life) -> AbstractContextManager[object]:
    """The Prometheus endpoint of the job while it runs, when one is wanted."""
    if life.metrics_port is None:
        return nullcontext()
    from plumbline.stream_job.metrics import serving

    return serving(life.metrics_port, service)


def _result(lake: Lake, contract: Contract, job: JobFolder) -> StreamRunDocument:
    last = job.ledger.last_epoch()
    return {
        "table": contract.output.stream_table,
        "epochs": last + 1,
        "last_epoch": last,
        "evict_watermark_ms": job.ledger.read(last).evict_watermark_ms if last >= 0 else None,
        "watermark_delay_ms": {n: milliseconds(s.watermark) for n, s in contract.sources.items()},
        "archives": {name: _snapshot_id(lake, source.archive) for name, source in contract.sources.items()},
        "snapshot_id": _snapshot_id(lake, contract.output.stream_table),
    }


def _snapshot_id(lake: Lake, table: str) -> int | None:
    """The table's current snapshot; None when it has none yet, or when the catalog is away as the job ends."""
    try:
        snapshot = lake.load(table).current_snapshot() if lake.exists(table) else None
    except UnreachableError:
        return None
    return snapshot.snapshot_id if snapshot else None
