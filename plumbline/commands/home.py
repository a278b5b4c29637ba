"""`plumbline home`: the folder of broker, lake and checkpoints, after it was copied or moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.options import home_option, json_option
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.document_types import HomeDocument


@click.group("home", short_help="Make a copied or moved home folder an independent home.")
def home_group() -> None:
    """The home folder is bound to its place: its catalog, tables and checkpoints name absolute paths.

    \b
    Examples:
      plumbline home adopt --home copy
      plumbline home adopt --home copy --execute
    """


@home_group.command(short_help="Rewrite everything that names the home's earlier place.")
@click.option("--execute", is_flag=True, help="Do it. Without this, show what would be done and stop.")
@home_option
@json_option
def adopt(execute: bool, home: Home, as_json: bool) -> None:
    """Make a copied or moved home independent: rewrite the paths in its catalog and in its tables' metadata.

    Until then every command refuses such a home: it would work on the original's files. Nothing outside the home is
    touched. Stop everything that runs in the home first. After a kill, run it again.

    \b
    Examples:
      plumbline home adopt --home /backup/plumbline
      plumbline home adopt --home /backup/plumbline --execute
    """
    from plumbline.connect.adopt import adopt as work
    from plumbline.connect.adopt import checkpoints

    found = work(home, execute=execute)
    document: HomeDocument = {"home": str(home.root), "was": None, "executed": execute and found is not None}
    if found is not None:
        original = list(checkpoints(home)) if found.was.exists() else []
        document |= {
            "was": str(found.was),
            "files": found.files,
            "tables": list(found.tables),
            "elsewhere": list(found.elsewhere),
            "checkpoints_in_both": original,
            "replays_to_run_again": _unfinished(home, execute=execute),
        }
    emit(document, as_json, lambda console: _show(document, console))


def _unfinished(home: Home, *, execute: bool) -> list[str]:
    """Replays that were being played: their checkpoints name the original's tapes, so they start over."""
    from plumbline.replay.store import ReplayFolder

    begun = [folder for folder in ReplayFolder.all(home) if folder.checkpoint.exists() or folder.playing.exists()]
    for folder in begun if execute else ():
        folder.forget(*(path.name for path in (folder.checkpoint, folder.playing) if path.exists()))
    return [folder.id for folder in begun]


def _show(document: HomeDocument, console: Console) -> None:
    if document["was"] is None:
        console.print("this home lies where it was made: nothing to do")
        return
    verb = "rewrote" if document["executed"] else "would rewrite"
    console.print(f"{verb} {document['files']:,} metadata files of {len(document['tables'])} tables")
    console.print(f"  made at {document['was']}")
    for name in document["elsewhere"]:
        console.print(f"  {name} lies outside the home and stays where it is: the original uses it too")
    for name in document["checkpoints_in_both"]:
        console.print(f"  the streaming job of {name} is in both homes: never let both write to one catalog")
    for name in document["replays_to_run_again"]:
        console.print(f"  replay {name} starts over with its next run")
    if not document["executed"]:
        console.print("nothing was changed; add --execute to do it")
