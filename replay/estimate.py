"""How long a replay will take, from the newest finished one of the same kind in this home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plumbline.replay.store import ReplayFolder

if TYPE_CHECKING:
    from plumbline.connect.home import Home


def estimated(home: Home, late: str, rows: int, epochs: int) -> dict[str, Any]:
    """`{"rows", "seconds", "from"}`: cutting grows with the rows, playing with the rows of a complete tape and with the
    epochs of a faithful one. `seconds` is None before the first finished replay."""
    measured = _newest(home, late)
    if measured is None:
        return {"rows": rows, "seconds": None, "from": None}
    folder, ran = measured
    by_rows = rows / max(1, sum(ran["tape"].values()))
    by_epochs = by_rows if late == "complete" else epochs / max(1, ran["epochs"])
    seconds = ran["seconds"]["cut"] * by_rows + ran["seconds"]["play"] * max(by_epochs, epochs / max(1, ran["epochs"]))
    return {"rows": rows, "seconds": round(seconds), "from": folder.id}


def _newest(home: Home, late: str) -> tuple[ReplayFolder, dict[str, Any]] | None:
    """The replay of this kind that finished its run last, and the document of that run."""
    found = []
    for folder in ReplayFolder.all(home):
        ran, plan = folder.read("run"), folder.read("plan")
        if ran and plan and plan.get("late") == late and "seconds" in ran:
            found.append(((folder.root / "run.json").stat().st_mtime_ns, folder, ran))
    return max(found, key=lambda one: one[0])[1:] if found else None
