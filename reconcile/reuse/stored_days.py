"""The kept verdicts: `plumbline.verdicts`, one row per contract and day, replaced as a whole in one commit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from plumbline.contract.identity import identity
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.evidence.quarantine import Taken
from plumbline.reconcile.judge.books import Page
from plumbline.reconcile.judge.prediction import Prediction
from plumbline.reconcile.reuse.digests import Inputs, Mark

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

VERDICTS = "plumbline.verdicts"


@dataclass(frozen=True)
class Verdict:
    """What a day came to when it was last read, and by which inputs.

    `ledger` is the epoch ledger at that time (None: there was none). `taken` and `refused` are the counted records and
    the coordinates of those that could not enter the join, per side. `findings` are the day's rows of ATTRIBUTED as
    an Arrow stream, None when it has none: to open a small Parquet file costs more than to read it. `reused` says how
    many runs in a row have taken it from here.
    """

    window: datetime
    run_id: str
    inputs: Inputs
    ledger: Mark | None
    page: Page
    predicted: Prediction | None
    replayed: int
    taken: Mapping[str, Taken]
    refused: Mapping[str, list[tuple[int, int]]]
    findings: bytes | None = None
    reused: int = 0


def verdicts_schema() -> pa.Schema:
    """One row per contract and UTC day."""
    from plumbline.reconcile.judge.store import field, moment

    return pa.schema(
        [
            field("contract", pa.string(), "name and identity of the contract"),
            field("window", moment(), "UTC day of event time"),
            field("run_id", pa.string(), "the run that read the day"),
            field("inputs", pa.string(), "digest of data files, archive files in reach, contract and program"),
            field("runs", pa.string(), "digest of the batch runs over the day, on which causes depend"),
            field("beside", pa.string(), "digest of the files beside it, on which causes of extra rows depend"),
            field("ledger", pa.string(), "JSON: the epoch ledger at that time"),
            field("body", pa.string(), "JSON: the day's books, prediction and records"),
            field("findings", pa.binary(), "Arrow stream: the day's findings with all evidence; null: none"),
            field("reused", pa.int32(), "runs since then that did not read the day again"),
        ]
    )


def owner(contract: Contract) -> str:
    """Whose verdicts they are: the contract's name and identity."""
    return f"{contract.contract} {identity(contract)}"


def load(lake: Lake, contract: str) -> pa.Table:
    """All verdicts of a contract (see `owner`), as the table has them."""
    from pyiceberg.expressions import EqualTo

    if not lake.exists(VERDICTS):
        return verdicts_schema().empty_table()
    return lake.load(VERDICTS).scan(row_filter=EqualTo("contract", contract)).to_arrow().cast(verdicts_schema())


def read(table: pa.Table) -> dict[datetime, Verdict]:
    """Day to verdict."""
    return {row["window"]: _verdict(row) for row in table.to_pylist()}


def save(lake: Lake, contract: str, before: pa.Table, verdicts: Iterable[Verdict], days: Iterable[datetime]) -> None:
    """Replace the contract's verdicts: those of `days` by `verdicts`, the others stay as they were in `before`.

    When another run commits meanwhile its verdicts stand: each says for itself what it was made from.
    """
    import pyarrow.compute as pc
    from pyiceberg.expressions import EqualTo

    schema = verdicts_schema()
    others = before.filter(pc.invert(pc.is_in(before["window"], pa.array(list(days), schema.field("window").type))))
    rows = pa.Table.from_pylist([_row(contract, verdict) for verdict in verdicts], schema=schema)
    if before.num_rows:
        lake.replace(VERDICTS, pa.concat_tables([others, rows]), EqualTo("contract", contract))
    elif rows.num_rows:
        lake.ensure_table(VERDICTS, schema, ("identity", "contract"))
        lake.append(VERDICTS, rows)


def _row(contract: str, verdict: Verdict) -> dict[str, Any]:
    body = {
        "batch": verdict.page.batch,
        "stream": verdict.page.stream,
        "entries": [[*key, *numbers] for key, numbers in sorted(verdict.page.entries.items())],
        "predicted": verdict.predicted and asdict(verdict.predicted),
        "replayed": verdict.replayed,
        "taken": {side: asdict(taken) for side, taken in verdict.taken.items()},
        "refused": dict(verdict.refused),
    }
    return {
        "contract": contract,
        "window": verdict.window,
        "run_id": verdict.run_id,
        "inputs": verdict.inputs.rows,
        "runs": verdict.inputs.runs,
        "beside": verdict.inputs.beside,
        "ledger": json.dumps(verdict.ledger and asdict(verdict.ledger)),
        "body": json.dumps(body),
        "findings": verdict.findings,
        "reused": verdict.reused,
    }


def _verdict(row: Mapping[str, Any]) -> Verdict:
    body, ledger = json.loads(row["body"]), json.loads(row["ledger"])
    page = Page(row["window"], body["batch"], body["stream"])
    for cause, kind, *numbers in body["entries"]:
        page.enter(cause, kind, *numbers)
    return Verdict(
        window=row["window"],
        run_id=row["run_id"],
        inputs=Inputs(row["inputs"], row["runs"], row["beside"]),
        ledger=ledger and Mark(**ledger),
        page=page,
        predicted=body["predicted"] and Prediction(**body["predicted"]),
        replayed=body["replayed"],
        taken={side: Taken(**body["taken"][side]) for side in SIDES},
        refused={side: [(place[0], place[1]) for place in body["refused"][side]] for side in SIDES},
        findings=row["findings"],
        reused=row["reused"],
    )
