"""The process between us and the broker: it ends the broker when none of its owners lives, even after a SIGKILL.

Run as `python -m plumbline.connect.broker_supervisor FOLDER PORT COMMAND...`; the owners are files in FOLDER/owners.
It asks every quarter second whether an owner lives instead of trusting PR_SET_PDEATHSIG for that: the signal comes
from the parent *thread*, and an owner need not be the parent. The broker itself carries the signal (Linux), so that
it dies with a killed supervisor too.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from plumbline.connect import broker_files as files
from plumbline.connect.locks import locked
from plumbline.connect.processes import birth, die_with_parent

POLL_SECONDS = 0.25
GRACE_SECONDS = 20.0

Broker = subprocess.Popen[bytes]


class _Stop(Exception):
    pass


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stop


def supervise(folder: Path, port: int, command: list[str]) -> int:
    """Run `command` until it ends or no owner lives; its exit code. Its output goes to broker.log."""
    signal.signal(signal.SIGTERM, _stop)
    with (folder / "broker.log").open("ab") as log:
        broker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        files.record(folder, files.Running(broker.pid, birth(broker.pid) or "", port))
        while not _is_over(broker, folder):
            with contextlib.suppress(subprocess.TimeoutExpired):
                broker.wait(POLL_SECONDS)
    except _Stop:
        pass
    finally:
        _end(broker, folder)
    return broker.returncode


def _is_over(broker: Broker, folder: Path) -> bool:
    if broker.poll() is not None:
        return True
    if files.is_owned(folder):
        return False
    # Under the lock nobody can join a broker that is about to end: who comes later starts a new one.
    with locked(files.lock(folder)):
        if files.is_owned(folder):
            return False
        _end(broker, folder)
        return True


def _end(broker: Broker, folder: Path) -> None:
    if broker.poll() is None:
        broker.terminate()
        try:
            broker.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            broker.kill()
            broker.wait()
    files.forget(folder, broker.pid)


if __name__ == "__main__":
    sys.exit(supervise(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
