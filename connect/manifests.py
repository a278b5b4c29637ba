"""The manifests of an Iceberg snapshot: which there are, and which of their data files a scan's filter may want.

Neither a manifest nor a list of them is written a second time (Iceberg spec, "Overview"): what was read is kept, since
a reconcile plans some tables of one run with half a dozen filters.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestEntry, ManifestFile
    from pyiceberg.table import DataScan
    from pyiceberg.table.snapshots import Snapshot

_LISTS: dict[str, tuple[ManifestFile, ...]] = {}
_ENTRIES: dict[tuple[str, int], tuple[ManifestEntry, ...]] = {}
_KEEPING = threading.Lock()
_MOST_MANIFESTS, _MOST_ENTRIES = 2_000, 16_000
"""So many manifests in lists, and so many data files, some KB each, are kept in memory."""


def manifests_of(snapshot: Snapshot, io: FileIO) -> tuple[ManifestFile, ...]:
    """All manifests of the snapshot."""
    place = snapshot.manifest_list
    known = _LISTS.get(place)
    if known is None:
        known = tuple(snapshot.manifests(io))
        _keep(_LISTS, place, known, _MOST_MANIFESTS)
    return known


def is_of_deletes(manifest: ManifestFile) -> bool:
    """Whether it names delete files; else it names data files."""
    from pyiceberg.manifest import ManifestContent

    return bool(manifest.content == ManifestContent.DELETES)


def chosen(scan: DataScan, manifests: Iterable[ManifestFile]) -> Iterator[ManifestEntry]:
    """The live entries of manifests of data files that may hold rows of the scan's filter.

    They are those of PyIceberg's `ManifestGroupPlanner.plan_manifest_entries`, which would read each manifest anew.
    """
    from pyiceberg.table import ManifestGroupPlanner
    from pyiceberg.typedef import KeyDefaultDict
    from pyiceberg.utils.concurrent import ExecutorFactory

    planner = ManifestGroupPlanner(scan.table_metadata, scan.io, scan.row_filter, scan.case_sensitive, scan.options)
    of_manifest = KeyDefaultDict(planner._build_manifest_evaluator)
    of_partition = KeyDefaultDict(planner._build_partition_evaluator)
    of_values = planner._build_metrics_evaluator()
    wanted = [manifest for manifest in manifests if of_manifest[manifest.partition_spec_id](manifest)]
    for entry in chain.from_iterable(ExecutorFactory.get_or_create().map(lambda one: _live(one, scan.io), wanted)):
        file = entry.data_file
        if of_partition[file.spec_id](file) and of_values(file):
            yield entry


def _live(manifest: ManifestFile, io: FileIO) -> tuple[ManifestEntry, ...]:
    """The entries that are not of deleted files."""
    place = manifest.manifest_path, manifest.manifest_length
    known = _ENTRIES.get(place)
    if known is None:
        known = tuple(manifest.fetch_manifest_entry(io, discard_deleted=True))
        _keep(_ENTRIES, place, known, _MOST_ENTRIES)
    return known


def _keep(kept: dict[Any, Any], key: Any, value: Sequence[Any], most: int) -> None:
    """Add it, and let the oldest go until no more than `most` elements are kept."""
    with _KEEPING:
        kept[key] = value
        held = sum(map(len, kept.values()))
        while held > most:
            held -= len(kept.pop(next(iter(kept))))
