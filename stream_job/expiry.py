"""Which snapshots of a table may go. Pure: decided from the snapshots' own words.

Iceberg's streaming sink looks for its last epoch among the ancestors of the newest snapshot, from parent to parent.
When the chain is cut before it finds one, a restart after a kill writes its epoch a second time. So the newest snapshot
of each query stays, and with it every snapshot between that one and the head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.contract.commit_properties import QUERY_ID

if TYPE_CHECKING:
    from pyiceberg.table import Table

UNKNOWN_WRITER_MS = 30 * 86_400_000
"""A query without a checkpoint in this home may run elsewhere; for so long after its last commit it counts as alive."""

YOUNG, SINK, REFERRED, RECORDED = "young", "the sink's last epoch", "tag or branch", "a recorded run"


@dataclass(frozen=True)
class Version:
    """One snapshot: its parent, when it was committed (ms since 1970), and the streaming query that made it, if any."""

    snapshot_id: int
    parent: int | None
    at_ms: int
    query_id: str | None = None


@dataclass(frozen=True)
class Expiry:
    """Snapshots that may go, oldest first, and how many stay for which first reason."""

    expire: tuple[int, ...]
    kept: Mapping[str, int]


def plan(
    versions: Iterable[Version],
    head: int | None,
    refs: Mapping[str, tuple[int, bool]],
    *,
    live: Collection[str],
    pinned: Collection[int],
    older_than_ms: int,
    now_ms: int,
) -> Expiry:
    """What may go of a table whose newest snapshot is `head`.

    `refs` are tags and branches other than main: name to (snapshot, whether it is a branch). `live` are the query ids
    of the checkpoints in this home, `pinned` the snapshots that recorded work refers to. All that is not older than
    `older_than_ms` stays.
    """
    known = {version.snapshot_id: version for version in versions}
    chain = _ancestors(known, head)
    needed = set(chain[: _depth(chain, live, now_ms)])
    referred = {snapshot for snapshot, _ in refs.values()}
    for snapshot, is_branch in refs.values():
        referred |= {version.snapshot_id for version in _ancestors(known, snapshot)} if is_branch else set()
    reasons: Counter[str] = Counter()
    expire = []
    for version in sorted(known.values(), key=lambda version: version.at_ms):
        reason = (
            YOUNG
            if version.at_ms >= older_than_ms or version.snapshot_id == head
            else SINK
            if version in needed
            else REFERRED
            if version.snapshot_id in referred
            else RECORDED
            if version.snapshot_id in pinned
            else None
        )
        if reason is None:
            expire.append(version.snapshot_id)
        else:
            reasons[reason] += 1
    return Expiry(tuple(expire), dict(reasons))


def _depth(chain: list[Version], live: Collection[str], now_ms: int) -> int:
    """How many ancestors from the head on must stay so that every living query finds its last epoch."""
    newest: dict[str, int] = {}
    for position, version in enumerate(chain):
        if version.query_id is not None:
            newest.setdefault(version.query_id, position)
    at_home = [position for query_id, position in newest.items() if query_id in live]
    elsewhere = [position for position in newest.values() if now_ms - chain[position].at_ms < UNKNOWN_WRITER_MS]
    # No checkpoint of this table here: the job lives elsewhere, and nothing can be said of which query is over.
    anchors = [*at_home, *elsewhere, *(newest.values() if not at_home else ())]
    return max(anchors, default=-1) + 1


def _ancestors(known: Mapping[int, Version], snapshot: int | None) -> list[Version]:
    """The snapshot and its ancestors as far as they are there, newest first."""
    found = []
    while snapshot is not None and snapshot in known:
        found.append(known[snapshot])
        snapshot = known[snapshot].parent
    return found


def versions_of(table: Table) -> tuple[list[Version], int | None, dict[str, tuple[int, bool]]]:
    """The snapshots, the head and the other refs of a table, as `plan` takes them."""
    metadata = table.metadata
    versions = [
        Version(
            snapshot.snapshot_id,
            snapshot.parent_snapshot_id,
            snapshot.timestamp_ms,
            snapshot.summary.additional_properties.get(QUERY_ID) if snapshot.summary else None,
        )
        for snapshot in metadata.snapshots
    ]
    refs = {
        name: (ref.snapshot_id, ref.snapshot_ref_type == "branch")
        for name, ref in metadata.refs.items()
        if name != "main"
    }
    return versions, metadata.current_snapshot_id, refs
