"""What the warehouse lets this user do, tried with one small file that is gone again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect.object_store import store_error
from plumbline.contract.errors import SetupError, UnreachableError

if TYPE_CHECKING:
    from pyiceberg.io import FileIO

    from plumbline.connect.lake import Lake

NEEDED_FOR = {
    "write": "every job that writes a table",
    "read": "every job",
    "list": "`maintain`, which looks for files that no snapshot names",
    "delete": "`maintain`, and what a failed commit leaves behind",
}
"""Right on the objects below the warehouse to what asks for it."""

BODY = b"a file of `plumbline check --online`, which removes it again\n"


@dataclass(frozen=True)
class Place:
    """Where tables lie, and PyIceberg's way to it."""

    location: str
    io: FileIO


def place_of(lake: Lake, tables: Iterable[str]) -> Place | None:
    """The folder of the first of these tables that exists, else the block's warehouse; None where only the catalog
    knows where a new table would lie."""
    from pyiceberg.io import load_file_io

    table = next((lake.load(name) for name in tables if lake.exists(name)), None)
    if table is not None:
        return Place(table.location(), table.io)
    location = lake.block.get("warehouse", "")
    if "://" not in location and not location.startswith("/"):
        return None
    return Place(location, load_file_io(lake.catalog().properties, location))


def probe(place: Place) -> list[str]:
    """The rights of NEEDED_FOR that were tried, all of them given: a file is written, read, listed and deleted.

    A file system that cannot be listed from here is not. Raises SetupError naming every right that is refused, and what
    it is needed for; UnreachableError for a store that does not answer.
    """
    file = f"{place.location.rstrip('/')}/plumbline-probe-{uuid.uuid4().hex}"
    refused: dict[str, str] = {}
    if not _given("write", lambda: _write(place.io, file), refused):
        raise _refusal(refused, place.location)
    given = ["write"]
    others: dict[str, Callable[[], object]] = {"read": lambda: _read(place.io, file)}
    if hasattr(place.io, "fs_by_scheme"):
        others["list"] = lambda: _list(place.io, file)
    others["delete"] = lambda: place.io.delete(file)
    given += [right for right, tried in others.items() if _given(right, tried, refused)]
    if refused:
        left = f"; {file} is left" if "delete" in refused else ""
        if "read" in refused:
            # Arrow looks at an object before it deletes it: this tells nothing of the right.
            refused.pop("delete", None)
        raise _refusal(refused, place.location + left)
    return given


def _given(right: str, tried: Callable[[], object], refused: dict[str, str]) -> bool:
    """Whether the right is given; why not, is noted."""
    try:
        tried()
    except OSError as error:
        known = store_error(error)
        if isinstance(known, UnreachableError) or (known is None and not isinstance(error, PermissionError)):
            raise known or _unusable(error) from None
        refused[right] = known.what if known else str(error)
    return right not in refused


def _write(io: FileIO, file: str) -> None:
    with io.new_output(file).create(overwrite=True) as out:
        out.write(BODY)


def _read(io: FileIO, file: str) -> None:
    with io.new_input(file).open() as found:
        found.read()


def _list(io: FileIO, file: str) -> None:
    from pyarrow.fs import FileSelector
    from pyiceberg.io.pyarrow import PyArrowFileIO

    assert isinstance(io, PyArrowFileIO)
    scheme, netloc, path = io.parse_location(file, io.properties)
    io.fs_by_scheme(scheme, netloc).get_file_info(FileSelector(path.rpartition("/")[0]))


def _unusable(error: OSError) -> SetupError:
    told = str(error).splitlines()[0]
    return SetupError(
        f"the warehouse cannot be used: {told}", next_step="correct catalog.warehouse, or make that folder"
    )


def _refusal(refused: dict[str, str], where: str) -> SetupError:
    wanted = "; ".join(f"{right} is needed by {NEEDED_FOR[right]}" for right in refused)
    return SetupError(
        f"the warehouse does not let this user {', '.join(refused)}: {next(iter(refused.values()))}",
        where=where,
        next_step=f"have the rights given: {wanted}",
    )
