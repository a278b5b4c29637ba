"""Where a contract's streaming job keeps its state, and the guards around it."""

from __future__ import annotations

import fcntl
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plumbline.connect.home import Home
from plumbline.connect.processes import alive, me
from plumbline.contract.errors import SetupError
from plumbline.contract.evolution import Change
from plumbline.contract.model import Contract
from plumbline.contract.ranges import spell_time
from plumbline.stream_job import fingerprint
from plumbline.stream_job.ledger import Ledger


@dataclass(frozen=True)
class Owner:
    """The process that works on a job's folder: its pid, since when (ISO 8601 in UTC), and on which host."""

    pid: int
    since: str
    host: str


@dataclass(frozen=True)
class JobFolder:
    """The checkpoints and the ledger of one streaming job, live or replayed, below one folder."""

    root: Path

    @classmethod
    def of(cls, contract: Contract, home: Home) -> JobFolder:
        """The folder of the contract's live job."""
        return cls(home.checkpoints / contract.contract)

    @property
    def join(self) -> Path:
        """Checkpoint of the join."""
        return self.root / "join"

    @property
    def ledger(self) -> Ledger:
        """The epoch ledger beside the join's checkpoint."""
        return Ledger(self.root / "ledger", self.join)

    @property
    def layouts(self) -> Path:
        """How the join's state was packed, a file per source."""
        return self.root / "layouts"

    def archive(self, source: str) -> Path:
        """Checkpoint of one source's archiver."""
        return self.root / f"archive-{source}"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the folder for this process. Raises SetupError when another job works on it: its pid and since when."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = self.owner()
                who = f" (pid {owner.pid} since {owner.since})" if owner else ""
                raise SetupError(
                    f"another job already works on this checkpoint{who}",
                    where=str(self.root),
                    next_step="stop it first; two jobs on one checkpoint would write every row twice",
                ) from None
            pid, born = me()
            since = spell_time(datetime.now(UTC).replace(microsecond=0))
            file.truncate(0)
            file.write(json.dumps({"pid": pid, "born": born, "host": socket.gethostname(), "since": since}))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def owner(self) -> Owner | None:
        """The process that holds the folder now; None when none does. On another host it is taken at its word."""
        try:
            body = json.loads(self._lock.read_text())
            owner = Owner(int(body["pid"]), str(body["since"]), str(body["host"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        here = owner.host == socket.gethostname()
        return owner if not here or alive(owner.pid, str(body["born"])) else None

    @property
    def _lock(self) -> Path:
        return self.root / "lock"

    @property
    def fingerprint(self) -> Path:
        """What the checkpoint was made by, see stream_job.fingerprint."""
        return self.root / "contract.json"

    def refuse_other_semantics(self, contract: Contract) -> tuple[Change, ...]:
        """The changes of the contract that the checkpoint takes; a new checkpoint is noted as this contract's.

        Raises UsageError for a change that it does not take.
        """
        changes = fingerprint.accepted(self.fingerprint, contract)
        if not self.fingerprint.exists():
            fingerprint.note(self.fingerprint, contract)
        return changes

    def accept(self, contract: Contract) -> None:
        """Note that the checkpoint goes on under `contract` from now on."""
        fingerprint.note(self.fingerprint, contract)


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """`(dotted path, old value, new value)` of each leaf that differs between two JSON bodies."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        if list(old) != list(new) and old == new:
            yield path, list(old), list(new)
    elif old != new:
        yield path, old, new
