"""`plumbline jars`: what Spark and the broker need beside the Python packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.options import home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from plumbline.document_types import JarsDocument


@click.command(short_help="Fetch the jars of Spark and of the local broker, once.")
@home_option
@json_option
def jars(home: Home, as_json: bool) -> None:
    """Fetch the jars of Spark and of the local broker (112 MB, once), and check each against its SHA-256.

    Does nothing if the jars are already there. $PLUMBLINE_IVY_SETTINGS names an ivysettings file for a machine behind a
    mirror; $PLUMBLINE_JARS names a folder that several homes share.

    \b
    Examples:
      plumbline jars
      plumbline jars --home ~/plumbline --json
    """
    from plumbline.connect.jars import ensure_jars, read_lock

    ensure_jars(home, say)
    document: JarsDocument = {"path": str(home.jars), "files": len(read_lock())}
    emit(document, as_json, lambda console: console.print(f"{document['files']} jars are complete in {home.jars}"))
