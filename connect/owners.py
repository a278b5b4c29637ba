"""Whose a table is: one contract writes it, and it says which, where every other one can see it.

A topic is archived once. Another contract with the same source reads that archive and does not write it; one with
another source is refused, as is a second writer of a stream or batch table. A table property names the owner. A table
without one belongs to the first that starts with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from plumbline.connect.file_formats import writable
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.model import Contract

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake

OWNER, SOURCE = "plumbline.owner", "plumbline.archived-source"
STREAM, BATCH, ARCHIVE = "stream_table", "batch_table", "archive"
BATCH_MARK = "plumbline.range.from"
"""Each commit of a batch run has it in its summary."""
TAKE = "plumbline stream take-archive CONTRACT"


def named(contract: Contract, part: str) -> dict[str, str]:
    """The table properties by which the contract owns one of its output tables."""
    return {OWNER: json.dumps({"contract": contract.contract, "part": part}, sort_keys=True)}


def named_archive(contract: Contract, name: str) -> dict[str, str]:
    """The table properties by which the contract owns the archive of a source, and what its columns were decided by."""
    owner = {"contract": contract.contract, "part": ARCHIVE, "stream_table": contract.output.stream_table}
    return {
        OWNER: json.dumps(owner, sort_keys=True),
        SOURCE: json.dumps(archived_source(contract, name), sort_keys=True),
    }


def archived_source(contract: Contract, name: str) -> dict[str, Any]:
    """What decides the columns of a source's archive: two contracts that agree in it may share one."""
    parts = {"topic", "format", "fields", "event_time", "event_id", "aliases", "event_time_within", "max_bytes"}
    source, keys = contract.sources[name], contract.key_columns(name)
    computed = {column: sql for column, sql in source.compute.items() if column in keys}
    # Each of them must have a value; their order says nothing.
    return source.model_dump(mode="json", include=parts) | {"join columns": sorted(keys), "compute": computed}


def refuse_taken(lake: Lake, contract: Contract) -> None:
    """Raise UsageError when a table of the contract is another one's, but for archives of the very same source."""
    refuse_other_writer(lake, contract, STREAM)
    refuse_other_writer(lake, contract, BATCH)
    for name, source in contract.sources.items():
        if source.archive_columns is None and lake.exists(source.archive):
            _refuse_other_source(lake, contract, name)


def refuse_other_writer(lake: Lake, contract: Contract, part: str) -> None:
    """Raise UsageError when the contract's stream or batch table is another contract's, or another part of its own."""
    table = contract.output.stream_table if part == STREAM else contract.output.batch_table
    owner = _owner(lake.load_now(table)) if lake.exists(table) else None
    if owner is not None and (owner["contract"], owner["part"]) != (contract.contract, part):
        raise UsageError(
            f"{table} is the {owner['part']} of contract {owner['contract']}: two writers would mix their rows in it",
            where=contract.place(("output", part)) or f"output.{part}",
            next_step=f"name another table as output.{part}",
        )


def reference_of_theirs(lake: Lake, contract: Contract) -> int | None:
    """The current snapshot of a batch table that is the team's own reference, beside a job of their own: it holds rows,
    and no batch run wrote them, or can write them from such archives."""
    table = contract.output.batch_table
    if contract.job is None or not lake.exists(table):
        return None
    found = lake.load_now(table)
    said = [snapshot.summary.additional_properties for snapshot in found.snapshots() if snapshot.summary]
    ours = _owner(found) is not None or any(BATCH_MARK in each for each in said)
    apart = any(source.archive_columns for source in contract.sources.values())
    return found.metadata.current_snapshot_id if said and (apart or not ours) else None


def refuse_rows_of_theirs(lake: Lake, contract: Contract) -> None:
    """Raise UsageError for a batch table that is the team's own reference. The first batch run would take it for its
    own, as it has no owner, and replace its rows."""
    table = contract.output.batch_table
    if reference_of_theirs(lake, contract) is not None:
        raise UsageError(
            f"{table} holds rows that no batch run of Plumbline wrote; a batch run would replace them",
            where=contract.place(("output", BATCH)) or f"output.{BATCH}",
            next_step="compare with them as they are by `plumbline reconcile CONTRACT`, or name a new table",
        )


def claim(lake: Lake, contract: Contract, part: str) -> None:
    """Note that the contract owns its stream or batch table, which exists. Raises UsageError when another one does."""
    refuse_other_writer(lake, contract, part)
    table = contract.output.stream_table if part == STREAM else contract.output.batch_table
    _note(lake, table, named(contract, part))
    refuse_other_writer(lake, contract, part)  # another one may have noted itself at the same moment: one of them stays


def claim_archives(lake: Lake, contract: Contract, say: Callable[[str], None]) -> frozenset[str]:
    """The sources whose archive another contract writes, which is said; the contract becomes the owner of those that
    have none. Raises UsageError for an archive of another source."""
    return frozenset(name for name in contract.sources if not _claims(lake, contract, name, say))


def refuse_lost_race(lake: Lake, contract: Contract, name: str) -> None:
    """Raise SetupError when another contract made the archive of a source since `claim_archives` looked."""
    owner = archive_owner(lake, contract, name)
    if owner is not None:
        raise SetupError(
            f"contract {owner} has begun to archive {contract.sources[name].topic} just now",
            where=contract.sources[name].archive,
            next_step="start again: this job then reads that archive",
        )


def take_archive(lake: Lake, contract: Contract, name: str) -> None:
    """Make the contract the owner of a source's archive. Raises UsageError for an archive of another source."""
    _refuse_other_source(lake, contract, name)
    table = contract.sources[name].archive
    if writable(lake.load(table)):
        lake.set_properties(table, named_archive(contract, name))


def archive_owner(lake: Lake, contract: Contract, name: str) -> str | None:
    """The other contract that writes the archive of a source; None when it is this one, or none."""
    table = contract.sources[name].archive
    found = lake.load_now(table).properties.get(OWNER) if lake.exists(table) else None
    return None if found in (None, named_archive(contract, name)[OWNER]) else _owned(found)["contract"]


def _claims(lake: Lake, contract: Contract, name: str, say: Callable[[str], None]) -> bool:
    table = contract.sources[name].archive
    if not lake.exists(table):
        return True
    owner = archive_owner(lake, contract, name)
    _refuse_other_source(lake, contract, name)
    if owner is None and not _note(lake, table, named_archive(contract, name)):
        owner = archive_owner(lake, contract, name)  # another contract noted itself between the look and the note
        _refuse_other_source(lake, contract, name)
    if owner is not None:
        say(f"stream: contract {owner} archives {contract.sources[name].topic} in {table}; this job reads it only")
        return False
    return True


def _refuse_other_source(lake: Lake, contract: Contract, name: str) -> None:
    """Raise UsageError when the archive holds another topic, or was judged by other rules than the contract's."""
    source = contract.sources[name]
    table = lake.load_now(source.archive)
    owner = table.properties.get(OWNER)
    if owner is None:
        others = sorted(_topics(lake, source.archive) - {source.topic})
        differs = f"it holds records of topic {', '.join(others)}" if others else None
    elif _owned(owner)["part"] != ARCHIVE:
        differs = f"it is the {_owned(owner)['part']} of contract {_owned(owner)['contract']}"
    elif owner == named_archive(contract, name)[OWNER]:
        held = json.loads(table.properties.get(SOURCE, "{}")).get("topic", source.topic)
        differs = f"it holds topic {held}" if held != source.topic else None
    else:
        said = json.loads(table.properties.get(SOURCE, "{}"))
        parts = ", ".join(_differing(said, archived_source(contract, name)))
        whose = f"contract {_owned(owner)['contract']} writes it"
        differs = f"{whose} from another source, which differs in {parts}" if parts else None
    if differs:
        raise UsageError(
            f"{source.archive} cannot archive source {name!r}: {differs}",
            where=contract.place(("sources", name, "archive")) or f"sources.{name}.archive",
            next_step="name another table as its archive, or describe the source as that contract does",
        )


def _differing(held: Mapping[str, Any], mine: Mapping[str, Any]) -> Iterator[str]:
    for part, value in mine.items():
        if held.get(part) != value:
            yield f"{part} ({held.get(part)}, not {value})" if part == "topic" else part


def _topics(lake: Lake, table: str) -> set[str]:
    from plumbline.connect.pinned import connection, scan

    con = connection()
    try:
        if scan(con, lake, table, view="archived", columns=["topic"], schema="archive").snapshot_id is None:
            return set()
        return {str(topic) for (topic,) in con.execute("SELECT DISTINCT topic FROM archived").fetchall()}
    finally:
        con.close()


def _note(lake: Lake, table: str, properties: Mapping[str, str]) -> bool:
    """Note the owner in a table that has none, or the same. False: it has another one by now, which stays."""
    found = lake.load(table)
    # Nothing can be noted in a table of format version 3; whose it is was noted when it was made, or is not.
    if writable(found) and any(found.properties.get(name) != value for name, value in properties.items()):
        return lake.set_properties(
            table, properties, when=lambda now: now.properties.get(OWNER) in (None, properties[OWNER])
        )
    return True


def _owner(table: Table) -> dict[str, str] | None:
    found = table.properties.get(OWNER)
    return None if found is None else _owned(found)


def _owned(text: str) -> dict[str, str]:
    """The owner that a property names; one that somebody else wrote there is named as it stands."""
    try:
        body = json.loads(text)
        return {"contract": str(body["contract"]), "part": str(body["part"])}
    except (ValueError, KeyError, TypeError):
        return {"contract": text, "part": "table"}
