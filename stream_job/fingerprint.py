"""The fingerprint beside the checkpoint: what the join's state was made by, and what it may go on with.

Spark checks next to nothing of this: a changed interval, delay, kind, key or partition count is accepted on restart,
and the job goes on with state that means something else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from plumbline.connect.whole_file import write_whole
from plumbline.contract.errors import UsageError
from plumbline.contract.evolution import Change, Evolution, compare
from plumbline.contract.model import Contract

REBUILT = re.compile(
    r"sources\.\w+\.(watermark|fields|aliases|max_bytes|event_time_within)(\.|$)"
    r"|output\.(key|columns|partition_by)(\.|$)|stream\.(state|shuffle_partitions)$"
)
"""Changes after which a checkpoint can be rebuilt for the same tables: the join stays the same join."""

RECOVER = "change it back, or rebuild the checkpoint: `plumbline stream recover CONTRACT --force --execute`"
BEGIN = "change it back, or start over: another contract name and new output tables"


def evolution(file: Path, contract: Contract) -> Evolution | None:
    """What changed since the record in `file`; None without one. Raises UsageError for one that is unreadable."""
    if not file.exists():
        return None
    try:
        body: dict[str, Any] = json.loads(file.read_text())
        return compare(_recorded(body, contract), contract, body.get("retired"))
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        first = " ".join(str(error).split())[:200]
        raise UsageError(
            f"the record of the checkpoint's contract is unreadable: {first}", where=str(file), next_step=RECOVER
        ) from None


def accepted(file: Path, contract: Contract) -> tuple[Change, ...]:
    """The changes since the record that a running checkpoint takes. Raises UsageError for one that it does not.

    The error names the line of the contract, what it was, and what Spark would have done with it.
    """
    found = evolution(file, contract)
    if found is None:
        return ()
    if found.refused:
        first, *others = found.refused
        more = f"; and {len(others)} more: {', '.join(change.what for change in others)}" if others else ""
        line = contract.place(first.path)
        raise UsageError(
            f"the checkpoint was made by another contract: {first}{more}",
            where=f"{line}; {file}" if line else str(file),
            next_step=_way_on(found.refused),
        )
    _refuse_other_source(file, contract)
    return found.accepted


def refuse_other_job(file: Path, contract: Contract) -> None:
    """Raise UsageError when the folder is that of another contract of the same name: with other archives, or another
    stream table. Nothing is said without a readable record."""
    other = other_job(file, contract)
    if other:
        written, archives = other
        raise UsageError(
            f"the job folder of the name {contract.contract} is another contract's: its job writes {written} and reads "
            f"the archives {', '.join(archives)}",
            where=contract.place(("contract",)) or str(file),
            next_step="give this contract another name, or name the other home with --home",
        )


def other_job(file: Path, contract: Contract) -> tuple[str, tuple[str, ...]] | None:
    """Stream table and archives of the contract that the folder belongs to when that is another one of this name."""
    try:
        body = json.loads(file.read_text())
        was = {name: str(source["archive"]) for name, source in body["sources"].items()}
        written = str(body["output"]["stream_table"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    now = {name: source.archive for name, source in contract.sources.items()}
    return None if (was, written) == (now, contract.output.stream_table) else (written, tuple(was.values()))


def _refuse_other_source(file: Path, contract: Contract) -> None:
    """Raise UsageError when the transform has its old name and another source."""
    was, now = json.loads(file.read_text()).get("transform_source"), contract.semantics().get("transform_source")
    if was != now:
        raise UsageError(
            f"the source of the transform {contract.stream.transform!r} changed since the checkpoint was made: "
            "the batch reference would apply the new one to all earlier rows",
            where=contract.place(("stream", "transform")) or str(file),
            next_step=RECOVER,
        )


def note(file: Path, contract: Contract) -> None:
    """Record that the checkpoint now goes on under `contract`, whose changes must be accepted ones.

    The file is replaced whole: half of one, left by a kill, would stop every later start.
    """
    found = evolution(file, contract)
    body = record(contract, found.retired if found else {})
    if file.exists() and json.loads(file.read_text()) == body:
        return
    write_whole(file, json.dumps(body, indent=1))


def _way_on(refused: tuple[Change, ...]) -> str:
    """What else may be done: another join needs other tables, for the old rows stay in the old ones."""
    return RECOVER if all(REBUILT.match(".".join(map(str, change.path))) for change in refused) else BEGIN


def record(contract: Contract, retired: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What is kept of a contract beside its checkpoint. `retired`: fields that it had once, with their types."""
    return {**contract.semantics(), "state": contract.stream.state, "retired": retired}


def _recorded(body: dict[str, Any], contract: Contract) -> Contract:
    """The contract that a record was made from, as far as it decides the rows; its tuning is that of `contract`."""
    stream = contract.stream.model_dump(mode="json")
    kept = {key: body[key] for key in ("state", "shuffle_partitions", "transform") if key in body}
    parts = {key: body[key] for key in ("contract", "sources", "join", "output")}
    registry = contract.schema_registry or {"url": "of the record"}
    return Contract.model_validate({**parts, "stream": {**stream, **kept}, "schema_registry": registry})
