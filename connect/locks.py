"""One lock between processes."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plumbline.contract.errors import UnreachableError


@contextmanager
def locked(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` (made if missing). The system frees it when the process dies.

    Waits for another that holds it; given `busy`, raises UnreachableError with that text instead.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise UnreachableError(
                busy or "", where=str(path), next_step="wait until it has ended; a dead one holds nothing"
            ) from None
        yield
