"""Telling whether a process is still the one we started, and tying one to its parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from pathlib import Path

PR_SET_PDEATHSIG = 1


def birth(pid: int) -> str | None:
    """When process `pid` started, as an opaque text; None when it is gone or a zombie.

    A pid is reused sooner or later; (pid, birth) is not. Field 22 of /proc/<pid>/stat, see proc(5); `ps` elsewhere.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if Path("/proc/self").exists() else _birth_by_ps(pid)
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else fields[19]


def _birth_by_ps(pid: int) -> str | None:
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True).stdout
    state, _, started = shown.strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def alive(pid: int, born: str) -> bool:
    """Whether process `pid` still runs and is the one that was born then."""
    return birth(pid) == born


def me() -> tuple[int, str]:
    """(pid, birth) of this process."""
    return os.getpid(), birth(os.getpid()) or ""


def die_with_parent() -> None:
    """For `preexec_fn`: the child gets SIGTERM when the thread that started it ends, prctl(2). Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
