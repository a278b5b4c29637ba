"""The document of `plumbline batch run --json`, as a type; docs/schemas/batch-run.json is made from it."""

from __future__ import annotations

from typing_extensions import TypedDict

from plumbline.contract.document_types import Range


class BatchDocument(TypedDict):
    """What `plumbline batch run --json` prints. `archives`: source to the snapshot of its archive that was read;
    `changed` is false where the table held the range from these snapshots already."""

    table: str
    range: Range
    snapshot_id: int | None
    rows: int
    archives: dict[str, int]
    changed: bool
