"""The document of `plumbline stream recover --json`, as types; docs/schemas/stream-recover.json is made from them."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

Ends = dict[str, dict[str, int]]
"""Source to offsets by partition."""

Ledger = TypedDict(
    "Ledger", {"query_id": str, "last_epoch": int, "from": list[str], "watermark": str | None, "ends": Ends}
)
"""Where the recorded epochs end; -1 and null before the first."""


class BorderDocument(TypedDict):
    """Where the new life begins; `certain`: the watermark of every row before it is known."""

    unrecorded_epochs: int
    known_from: Literal["ledger", "lineage"]
    certain: bool
    watermark: str | None
    ends: Ends


class ReadPiece(TypedDict):
    """Offsets `start <= offset < end` and the door they are read through."""

    door: Literal["archive", "kafka"]
    partition: int
    start: int
    end: int


class ReadSource(TypedDict):
    """What is read of one source; `rows` and `left_out` are null where the archive does not count all of it."""

    topic: str
    topic_ids: list[str | None]
    archive: str
    snapshot_id: int | None
    since: str
    pieces: list[ReadPiece]
    offsets: int
    rows: int | None
    left_out: int | None


class TapeDocument(TypedDict):
    """Rows that were read, and late ones that were left out."""

    rows: int
    left_out: int


class StateDocument(TypedDict):
    """The state that was rebuilt."""

    rows: int | None
    next_watermark: str | None


class ProofDocument(TypedDict):
    """Rows that the rules give, and what the table holds of that time."""

    matched: int
    unmatched: int
    open: int
    found: int
    missing: int
    extra: int
    duplicates: int
    table_rows: int
    examples: list[str]


class RecoverDocument(TypedDict):
    """What `plumbline stream recover --json` prints; what only --execute tells is null or empty without it."""

    contract: str
    id: str | None
    reason: str
    executed: bool
    changed: list[str]
    ledger: Ledger
    border: BorderDocument
    sources: dict[str, ReadSource]
    batches: int
    goes_on_at: Ends
    tape: TapeDocument | None
    state: StateDocument | None
    archivers: list[str]
    proof: ProofDocument | None
    given_up: str | None
    query_id: NotRequired[str]
