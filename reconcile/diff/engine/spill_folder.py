"""The folder that a comparison spills to, gone when it ends; what a killed one left is removed by the next."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path


def spill_folder(name: str = "plumbline-diff", within: Path | None = None) -> tempfile.TemporaryDirectory[str]:
    """A new folder `within` one (None: the system's temporary one), named after this machine and process.

    Only folders of this machine are removed: another one that shares the disk has processes of its own.
    """
    prefix = f"{name}-{platform.node()}-"
    for folder in Path(within or tempfile.gettempdir()).glob(f"{prefix}*-*"):
        owner = folder.name.removeprefix(prefix).partition("-")[0]
        if owner.isdecimal() and not _runs(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", dir=within)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
