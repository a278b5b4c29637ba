"""Files that are there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from plumbline.contract.errors import SetupError
from plumbline.reconcile.diff.engine.side_view import first_line


@contextmanager
def written_whole(target: Path, what: str) -> Iterator[Path]:
    """Yields the path to write to; what is there at the end takes the target's place, what fails leaves nothing.

    A killed process leaves the hidden file, which the next one to write there replaces. Raises SetupError.
    """
    waiting = target.with_name(f".{target.name}.writing")
    try:
        yield waiting
        waiting.replace(target)
    except (duckdb.Error, OSError) as error:
        raise SetupError(
            f"the {what} cannot be written: {first_line(error)}",
            where=str(target),
            next_step="name a file in a folder that exists and is writable, on a disk with space",
        ) from error
    finally:
        with suppress(OSError):
            waiting.unlink(missing_ok=True)
