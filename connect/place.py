"""A home knows its own place: its catalog holds absolute paths, so a copy would work on the original's files.

`home.json` in the home says where it was made. A home that lies elsewhere was copied or moved; it is refused until
`plumbline home adopt` has rewritten what can be rewritten (see `plumbline.connect.adopt`).
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

from plumbline.connect.home import Home
from plumbline.contract.errors import SetupError

MARKER = "home.json"
WAREHOUSE = "/lake/warehouse/"


def refuse_elsewhere(home: Home) -> None:
    """Raise SetupError when the home was made at another place: it is a copy, or it was moved."""
    made = made_at(home)
    if made is None or _same(made, home.root):
        return
    what = "a copy of" if made.exists() else "the moved"
    raise SetupError(
        f"this home is {what} {made}: its tables and checkpoints name that place",
        where=str(home.root),
        next_step=f"`plumbline home adopt{home.option} --execute` makes it a home of its own; or use the original",
    )


def note(home: Home, *, again: bool = False) -> None:
    """Note the home's place, unless it is noted (`again`: also then). A home that cannot be written stays as it is."""
    marker = home.root / MARKER
    if marker.exists() and not again:
        return
    with suppress(OSError):
        draft = marker.with_name(f".{MARKER}.{os.getpid()}.tmp")
        draft.write_text(json.dumps({"place": str(home.root)}))
        draft.replace(marker)


def made_at(home: Home) -> Path | None:
    """Where the home was made; None for one that has no lake and no note, and so belongs nowhere yet.

    Earlier versions noted nothing: there the catalog's own tables tell, if all that are in a home are in another one.
    """
    try:
        return Path(json.loads((home.root / MARKER).read_text())["place"])
    except (FileNotFoundError, NotADirectoryError):
        return _told_by_catalog(home)
    except (ValueError, KeyError, TypeError):
        raise SetupError(
            "the record of the home's place is unreadable",
            where=str(home.root / MARKER),
            next_step="remove that file if the home was never copied or moved",
        ) from None


def _told_by_catalog(home: Home) -> Path | None:
    database = home.lake / "catalog.db"
    if not database.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            found = connection.execute("SELECT metadata_location FROM iceberg_tables").fetchall()
    except sqlite3.Error:
        return None
    located = [plain(row[0]) for row in found if row[0]]
    homes = {place.partition(WAREHOUSE)[0] for place in located if WAREHOUSE in place}
    if not homes or any(_same(Path(place), home.root) for place in homes):
        return None
    return Path(min(homes))


def plain(location: str) -> str:
    """The path of a local location in any of its spellings: file:/a, file:///a, /a; others as they are.

    Nothing is percent-decoded.
    """
    return "/" + location.removeprefix("file:").lstrip("/") if location.startswith(("file:", "/")) else location


def is_local(location: str) -> bool:
    """Whether it is a path or URI of this machine's file system."""
    return urlsplit(location).scheme in ("", "file")


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one folder, also through links. A place that is gone is the same by its name only."""
    with suppress(OSError):
        return one.samefile(other)
    return one == other
