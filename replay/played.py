"""What a faithful replay's checkpoint says of how far it has played."""

from __future__ import annotations

import json
from pathlib import Path


def forget_unplanned(checkpoint: Path) -> list[Path]:
    """Remove what the file sources noted beyond the last planned batch; returns the removed files.

    Spark writes `sources/N/k` before `offsets/k`. A crash between the two would let the resumed batch take two epochs
    of one side (seen in an experiment; watermarks do not show it).
    """
    offsets = checkpoint / "offsets"
    planned = max((int(p.name) for p in offsets.glob("[0-9]*")), default=-1) if offsets.is_dir() else -1
    last = [_log_offsets(offsets / str(planned))] if planned >= 0 else []
    removed = []
    for folder in sorted((checkpoint / "sources").glob("*")):
        limit = last[0][int(folder.name)] if last else -1
        for note in folder.glob("[0-9]*"):
            if int(note.name.removesuffix(".compact")) > limit:
                note.unlink()
                removed.append(note)
    return removed


def sides_apart(checkpoint: Path) -> list[int]:
    """Batches in which the two sources stood at different epochs of the tape: must be none."""
    planned = sorted((int(p.name), _log_offsets(p)) for p in (checkpoint / "offsets").glob("[0-9]*"))
    return [number for number, offsets in planned if len(set(offsets)) > 1]


def _log_offsets(path: Path) -> list[int]:
    """The file source's `logOffset` of each source in one offsets file; -1 for a source that had nothing."""
    return [-1 if line == "-" else int(json.loads(line)["logOffset"]) for line in path.read_text().splitlines()[2:]]


def reached(log: Path) -> int:
    """How many epochs a log of the checkpoint has come to."""
    return max((int(path.name) + 1 for path in log.glob("[0-9]*")), default=0)
