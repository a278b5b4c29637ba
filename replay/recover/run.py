"""`plumbline stream recover`: the steps of a recovery in their order, and what each refuses."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from plumbline.connect.kafka_config import ISOLATION
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.foreign_job import refuse_job_of_theirs
from plumbline.contract.generations import Ids
from plumbline.contract.model import Contract
from plumbline.contract.ranges import from_micros, spell_time
from plumbline.replay.recover import archivers, gap, lines, past, plan, proof, spark_versions, states, tape
from plumbline.replay.recover.border import Border, Ends, find, unrecorded_epoch
from plumbline.replay.recover.checkpoint import BATCHES, rebuild
from plumbline.replay.store import write_json
from plumbline.stream_job import fingerprint, isolation, topics
from plumbline.stream_job.checkpoint_health import Exchange, damage
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.ledger import Epoch

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.replay.recover.document_types import ReadSource, RecoverDocument

Say = Callable[[str], None]

TRIES = 5
"""Rounds in which dropped rows of unrecorded epochs are looked for; each can reveal the next."""


@dataclass(frozen=True)
class Wanted:
    """What the user asked for."""

    source: str = "auto"
    execute: bool = False
    force: bool = False
    accept_gaps: bool = False
    accept_differences: bool = False


@dataclass(frozen=True)
class Found:
    """What a recovery begins with: the past, the border, the epoch between them if any, and what is to be read.

    `begin` are the offsets at which the new life goes on in the topics: the border, or behind a gap that was accepted.
    """

    past: past.Past
    border: Border
    whole: Epoch | None
    plans: tuple[plan.SourcePlan, plan.SourcePlan]
    begin: Ends


def recover(
    contract: Contract,
    home: Home,
    wanted: Wanted,
    *,
    say: Say = lambda message: None,
    spark: SparkSession | None = None,
) -> RecoverDocument:
    """Rebuild the join's lost checkpoint so that `stream run` goes on as if it had never been lost.

    Without `wanted.execute` nothing is changed: the document says what would be read. Returns `{"contract", "id",
    "reason", "executed", "changed", "ledger", "border", "sources", "goes_on_at", "batches", "tape", "state",
    "archivers", "proof", "given_up"}`; what only doing it tells is null or empty before.

    Repeating it after a kill starts again, or puts in place what was proven. Raises SetupError for a sound checkpoint
    or a folder in use, UsageError for a contract that joins otherwise, IncompleteError for gaps and when the proof
    fails.
    """
    from plumbline.connect.lake import Lake
    from plumbline.connect.registry import equipped, kept_by

    refuse_job_of_theirs(contract, "stream recover", "restart your job as it is operated; nothing here rebuilds it")
    lines.refuse_accepted(contract, gaps=wanted.accept_gaps, differences=wanted.accept_differences)
    job = JobFolder.of(contract, home)
    exchange = Exchange(job)
    with job.owned():
        fingerprint.refuse_other_job(job.fingerprint, contract)
        lake = Lake.open(home, contract.catalog)
        if exchange.ready.exists():
            return _finish(lake, contract, exchange, wanted)
        contract = equipped(contract, kept_by(contract, home))
        changed = changes(job, contract)
        reason = _reason(lake, contract, job, wanted)
        with _scratch(exchange) as con:
            found = _look(con, lake, contract, home, exchange, wanted)
            document = _document(contract, reason, changed, found)
            if wanted.execute:
                done = _execute(lake, contract, home, exchange, wanted, found, say, spark)
                document = cast("RecoverDocument", {**document, **done})
                write_json(exchange.ready, document)
        if wanted.execute:
            exchange.finish(lake, contract)
    return document


def _reason(lake: Lake, contract: Contract, job: JobFolder, wanted: Wanted) -> str:
    """Why the checkpoint is given up. Raises SetupError for one that looks sound, unless it is to go all the same."""
    found = damage(lake, contract, job)
    if found is None and not wanted.force:
        raise SetupError(
            "the checkpoint looks sound: `plumbline stream run CONTRACT` continues from it",
            where=str(job.join),
            next_step="add --force to abandon it all the same",
        )
    return found or "given up by --force"


def changes(job: JobFolder, contract: Contract) -> list[str]:
    """What differs from the contract that the lost checkpoint was made by, in words. UsageError if it matters."""
    try:
        found = fingerprint.evolution(job.fingerprint, contract)
    except UsageError:
        found = None
    if found is None:
        return ["unknown: the folder no longer says by which contract the checkpoint was made"]
    for change in found.refused:
        if not fingerprint.REBUILT.match(".".join(map(str, change.path))):
            line = contract.place(change.path)
            raise UsageError(
                f"the contract is another join than that of the lost checkpoint: {change.what}",
                where=f"{line}; {job.fingerprint}" if line else str(job.fingerprint),
                next_step=fingerprint.BEGIN,
            )
    return [change.what for change in found.changes]


@contextmanager
def _scratch(exchange: Exchange) -> Iterator[Any]:
    """A DuckDB that spills into the recovery's folder, which is gone at the end unless a proven checkpoint waits."""
    from plumbline.connect.pinned import connection

    shutil.rmtree(exchange.folder, ignore_errors=True)
    con = connection(temp_dir=exchange.folder / "spill")
    try:
        yield con
    finally:
        con.close()
        if not exchange.ready.exists():
            shutil.rmtree(exchange.folder, ignore_errors=True)


def _look(con: Any, lake: Lake, contract: Contract, home: Home, exchange: Exchange, wanted: Wanted) -> Found:
    """Everything that is decided before anything is built."""
    from plumbline.connect.embedded import kafka_properties

    kafka = isolation.reading(kafka_properties(contract.kafka, home), lake, contract, exchange.job)
    gathered = past.gather(con, lake, contract, exchange)
    edge = find(gathered, lake, contract)
    if contract.output.aggregate is not None:
        lines.view_lines(gathered, lake, contract, contract.output.aggregate, edge)
    whole = unrecorded_epoch(gathered, edge, f"recover-{uuid.uuid4().hex[:8]}", int(time.time() * 1_000))
    if whole is not None:
        gathered.add([whole])
    ids = _topic_ids(lake, contract, kafka, exchange.job)
    plans = plan.make_plan(gathered, edge, lake, contract, kafka, ids, wanted.source, accept_gaps=wanted.accept_gaps)
    spark_versions.refuse_unproven(gathered, edge, plans, lake, contract, accepted=wanted.accept_differences)
    begin = plan.beginning(contract, kafka, ids, edge, accept_gaps=wanted.accept_gaps)
    return Found(gathered, edge, whole, plans, begin)


def _execute(
    lake: Lake,
    contract: Contract,
    home: Home,
    exchange: Exchange,
    wanted: Wanted,
    found: Found,
    say: Say,
    spark: SparkSession | None,
) -> dict[str, Any]:
    """Build, prove and put in place; what the document gains by it."""
    from plumbline.connect.embedded import kafka_properties
    from plumbline.connect.spark import session

    kafka = isolation.reading(kafka_properties(contract.kafka, home), lake, contract, exchange.job)
    spark = spark or session(home, lake, app=f"plumbline-recover-{contract.contract}")
    say("recover: reading what state can still hold")
    held = tape.cut(found.past, lake, contract, spark, kafka, found.plans, exchange.folder / "tape")
    say(f"recover: {sum(held.rows):,} rows, {sum(held.left_out):,} late ones left out; comparing with the table")
    epochs, held, shown = _compared(lake, found, spark, contract, held, exchange)
    if not shown.holds and not wanted.accept_differences:
        raise proof.disproved(contract, shown)
    say("recover: rebuilding the state")
    recovery = _name()
    begin = replace(found.border, ends=found.begin)
    ids = (found.plans[0].ids, found.plans[1].ids)
    made = rebuild(spark, contract, exchange, begin, _topic_ends(contract, kafka, ids), f"recover-{recovery}", ids)
    isolation.note(exchange.built, kafka[ISOLATION])
    for epoch in epochs:
        exchange.old_ledger.keep(replace(epoch, topic_ids=ids))
    return {
        "id": recovery,
        "executed": True,
        "query_id": made.query_id,
        "tape": {"rows": sum(held.rows), "left_out": sum(held.left_out)},
        "state": {"rows": made.state_rows, "next_watermark": _moment(made.next_watermark_ms)},
        "archivers": archivers.without_checkpoint(found.past, contract, exchange),
        "proof": shown.as_json(),
        "given_up": str(exchange.job.root / "given-up" / recovery),
    }


def _compared(
    lake: Lake, found: Found, spark: SparkSession, contract: Contract, held: tape.Cut, exchange: Exchange
) -> tuple[list[Epoch], tape.Cut, proof.Proof]:
    """As `_between`, and the proof."""
    if contract.output.aggregate is not None:
        return [], held, lines.prove_lines(found.past, lake, spark, contract, found.border, exchange.folder / "tape")
    if contract.output.is_upsert:
        return [], held, states.prove_states(found.past, lake, spark, contract, found.border, exchange.folder / "tape")
    lines.refuse_different_copies(found.past, contract)
    epochs, held = _between(found, spark, contract, held, exchange)
    return epochs, held, proof.prove(found.past, lake, contract)


def _name() -> str:
    """A name for this recovery, in the order of time."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:6]}"


def _topic_ids(lake: Lake, contract: Contract, kafka: dict[str, str], job: JobFolder) -> tuple[Ids, Ids]:
    """The ids of both sources' topics. Raises SetupError when one was recreated, and nobody has adopted it yet."""
    left, right = (
        topics.agreed(lake, kafka, source, topics.ids_of(topics.read_by(job.join, side)))
        for side, _, source in topics.sides(contract)
    )
    return left, right


def _topic_ends(contract: Contract, kafka: dict[str, str], ids: tuple[Ids, Ids]) -> Ends:
    sides = zip((contract.left, contract.right), ids, strict=True)
    left, right = (topics.reach(kafka, source.topic, known)[1] for source, known in sides)
    return {str(p): end for p, end in left.items()}, {str(p): end for p, end in right.items()}


def _between(
    found: Found, spark: SparkSession, contract: Contract, held: tape.Cut, exchange: Exchange
) -> tuple[list[Epoch], tape.Cut]:
    """The epochs between ledger and border, and the tape cut by them; compares tape and table on the way."""
    folder = exchange.folder / "tape"
    proof.expect(found.past, spark, contract, found.border, folder)
    epochs = [found.whole] if found.whole else []
    if found.whole is None or found.border.certain:
        return epochs, held
    gap.prepare(found.past, found.border)
    drops: set[gap.Place] = set()
    for _ in range(TRIES):
        more = gap.proven_drops(found.past) - drops
        if not more:
            break
        drops |= more
        epochs = gap.epochs_of(found.whole, gap.judged(found.past, drops))
        found.past.add(epochs)
        held = tape.recut(found.past, folder)
        proof.expect(found.past, spark, contract, found.border, folder)
    return epochs, held


def _finish(lake: Lake, contract: Contract, exchange: Exchange, wanted: Wanted) -> RecoverDocument:
    """A proven checkpoint waits since a kill: put it in place, or say that it waits."""
    document: RecoverDocument = json.loads(exchange.ready.read_text())
    if wanted.execute:
        exchange.finish(lake, contract)
    return document | {"executed": wanted.execute}


def _document(contract: Contract, reason: str, changed: list[str], found: Found) -> RecoverDocument:
    edge, last = found.border, found.past.last
    names = (contract.join.left, contract.join.right)
    return {
        "contract": contract.contract,
        "id": None,
        "reason": reason,
        "executed": False,
        "changed": changed,
        "ledger": {
            "query_id": edge.query_id,
            "last_epoch": edge.epoch,
            "from": list(found.past.sources),
            "watermark": _moment(last.evict_watermark_ms if last else 0),
            "ends": dict(zip(names, edge.recorded, strict=True)),
        },
        "border": {
            "unrecorded_epochs": edge.unrecorded,
            "known_from": edge.known,
            "certain": edge.certain,
            "watermark": _moment(edge.watermark_ms),
            "ends": dict(zip(names, edge.ends, strict=True)),
        },
        "sources": {source.name: cast("ReadSource", source.as_json()) for source in found.plans},
        "batches": BATCHES,
        "goes_on_at": dict(zip(names, found.begin, strict=True)),
        "tape": None,
        "state": None,
        "archivers": [],
        "proof": None,
        "given_up": None,
    }


def _moment(ms: int) -> str | None:
    return spell_time(from_micros(ms * 1_000)) if ms else None
