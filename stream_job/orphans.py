"""Which files that no snapshot knows may be deleted: those that a writer of this very table left.

Iceberg's search takes every file below the table's folder that the table does not name: also the notes that somebody
put there, and all files of another table that lies in the same folder or below it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from plumbline.connect.place import plain

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Data files: Spark writes partition, task, query and file, PyIceberg no file.
WRITTEN = re.compile(
    rf"(\d+-\d+-{_UUID}(-\d+)*(-deletes)?\.(parquet|avro|orc)"
    rf"|\d+-{_UUID}(\.gz)?\.metadata\.json(\.gz)?|{_UUID}(\.gz)?\.metadata\.json(\.gz)?"
    rf"|{_UUID}-m\d+\.avro|snap-\d+-\d+-{_UUID}\.avro|{_UUID}\.stats|.*\.puffin)"
)
"""Names that Iceberg's writers give to files: of data, deletes, metadata, manifests, lists of manifests, statistics."""

DATA = re.compile(r"data/.*\.(parquet|avro|orc)")
"""In a table's folder for data, whatever writer it had."""


def removable(files: Iterable[str], table: str, places: Mapping[str, str]) -> list[str]:
    """Of the orphans that Iceberg found for `table`, those that may go, spelled below the table's own location: Iceberg
    accepts no other spelling of a list of files. `places` are the locations of all tables.

    None where another table has the same folder or this one lies inside it: then nobody can tell whose a file is.
    """
    here = _path(places[table]) if table in places else ""
    others = [_path(place) for name, place in places.items() if name != table]
    if not here or any((here + "/").startswith(other + "/") for other in others):
        return []
    inside = tuple(other + "/" for other in others if other.startswith(here + "/"))
    mine = (path for path in map(_path, files) if path.startswith(here + "/") and not path.startswith(inside))
    below = (path.removeprefix(here + "/") for path in mine)
    return [f"{places[table].rstrip('/')}/{name}" for name in below if _written(name)]


def on_object_store(location: str) -> bool:
    """Whether the table's own FileIO has to list the folder: Spark's Hadoop has a file system of neither S3 nor the
    other stores. There a name below the folder is all that tells a file from one of a neighbour."""
    return urlsplit(location).scheme not in ("", "file", "hdfs", "viewfs", "webhdfs")


def all_younger(location: str, before: datetime) -> bool:
    """Whether a table's folder on a local disk has no file of before that moment: then Iceberg's search, which costs a
    second of CPU a table, finds none. False where a look cannot tell: a link, a folder that is not there or not read.
    """
    folder = _path(location)
    try:
        return folder.startswith("/") and _all_younger(folder, before.timestamp())
    except OSError:
        return False


def _all_younger(folder: str, before: float) -> bool:
    with os.scandir(folder) as entries:
        return all(
            not entry.is_symlink()
            and (_all_younger(entry.path, before) if entry.is_dir() else entry.stat().st_mtime >= before)
            for entry in entries
        )


def _written(below: str) -> bool:
    """Whether a file, named from the table's folder on, looks like one that a writer of the table has left."""
    return bool(WRITTEN.fullmatch(below.rpartition("/")[2]) or DATA.fullmatch(below))


def _path(location: str) -> str:
    """A location in one spelling: of file:/a, file:///a and /a the same; s3a and s3n are s3."""
    return plain(re.sub(r"^s3[an]:", "s3:", location.rstrip("/")))
