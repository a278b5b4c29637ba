"""The folder that a diff spills to, gone when it ends; what a killed one left is removed by the next."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "plumbline-diff-"


def spill_folder() -> tempfile.TemporaryDirectory[str]:
    """A new folder in the system's temporary one, named after this process."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not _runs(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
