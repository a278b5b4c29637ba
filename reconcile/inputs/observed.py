"""The ledger of a job that is not ours: copied from outside, it may stand behind the table, lack epochs, or be no
ledger of this table at all. What it does not say is unknown here, and never taken for admitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import text
from plumbline.connect.table_names import EPOCHS
from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from plumbline.contract.errors import ContractError
from plumbline.contract.identity import rows_condition
from plumbline.reconcile.relations.inputs import LEDGER

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.pinned_views import Pins


def seen_until(stream: Table, stream_id: int | None, known: Mapping[str, int]) -> int | None:
    """The newest snapshot of the stream table whose epoch the ledger has: what the job wrote since is not judged yet.

    `known`: as `newest_epochs` gives it. The snapshot `stream_id` itself where that has none of its epochs.
    """
    beyond = False
    for snapshot, query_id, epoch in epochs_of_commits(stream, stream_id):
        if epoch <= known.get(query_id, -1):
            return snapshot if beyond else stream_id
        beyond = True
    return stream_id


def ledger_is_its(pins: Pins, known: Mapping[str, int]) -> str:
    """SQL over the pinned ledger: whether a row is of a source as the contract has it, and the ledger that of the
    pinned stream table, as far as the table's commits name their epochs. Where none does, as of `foreachBatch`, it is
    that of the checkpoint which the contract names, if each row tells what it was made from (see inputs/unobserved.py).

    `known`: as `newest_epochs` gives it. A job of ours keeps its ledger itself. Raises ContractError for a ledger that
    has no epoch of one of the sources: what it read would look unread for ever.
    """
    of_sources = _of_sources(pins)
    if pins.contract.job is None:
        return of_sources
    table = pins.contract.output.stream_table
    newest = next(epochs_of_commits(pins.lake.load(table), pins.snapshots[table]), None)
    if newest is None:
        return of_sources if told_by_rows(pins.contract) else "false"
    return of_sources if newest[2] <= known.get(newest[1], -1) else "false"


def pinned_first(contract: Contract) -> bool:
    """Whether the ledger is pinned before the stream table: all that it knows was written then, whoever commits."""
    return contract.job is not None and contract.job.checkpoint is not None


def told_by_rows(contract: Contract) -> bool:
    """Whether each row of the job's table tells which epoch wrote it: by its coordinates and its time."""
    job = contract.job
    if job is None or job.kind != "spark":  # the commits of Flink's sink tell it
        return False
    return job.checkpoint is not None and job.lineage is not None and job.event_time is not None


def _of_sources(pins: Pins) -> str:
    contract = pins.contract
    columns = pins.con.sql(f"FROM {LEDGER.pinned} LIMIT 0").columns
    sql = f"SELECT DISTINCT source, topic FROM {LEDGER.pinned} WHERE {rows_condition(contract, columns)}"
    found = {(str(source), str(topic)) for source, topic in pins.con.execute(sql).fetchall()}
    wanted = {name: (name, source.topic) for name, source in contract.sources.items()}
    for name in wanted if found else ():
        if wanted[name] not in found:
            others = ", ".join(f"{source} of {topic}" for source, topic in sorted(found - {*wanted.values()}))
            raise ContractError(
                f"the epoch ledger of {contract.output.stream_table} has no epoch of source {name!r} of "
                f"{wanted[name][1]}, but of {others or 'the other source'}",
                where=contract.place(("sources", name)),
                next_step="name source and topic as the job did that wrote the table, or let the new job write another",
            )
    return " OR ".join(f"(source = {text(name)} AND topic = {text(topic)})" for name, topic in wanted.values())


def newest_epochs(lake: Lake, contract: Contract, epochs_id: int | None) -> dict[str, int]:
    """The newest epoch of each query that the ledger knows of this contract."""
    if epochs_id is None:
        return {}
    table = lake.load(EPOCHS)
    mine = rows_condition(contract, table.schema().column_names)
    fields = ("query_id", "epoch", "contract", "topic", *(("stream_table",) if "stream_table" in mine else ()))
    rows = table.scan(mine, snapshot_id=epochs_id, selected_fields=fields).to_arrow().select(["query_id", "epoch"])
    found = rows.group_by("query_id").aggregate([("epoch", "max")]).to_pylist()
    return {str(row["query_id"]): int(row["epoch_max"]) for row in found}


def epochs_of_commits(table: Table, snapshot_id: int | None) -> Iterator[tuple[int, str, int]]:
    """(snapshot, query, epoch) of each commit of a streaming query up to a snapshot, newest first."""
    from pyiceberg.table.snapshots import ancestors_of

    newest = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    for snapshot in ancestors_of(newest, table.metadata):
        said = snapshot.summary.additional_properties if snapshot.summary else {}
        if EPOCH_ID in said and QUERY_ID in said:
            yield int(snapshot.snapshot_id), str(said[QUERY_ID]), int(said[EPOCH_ID])
