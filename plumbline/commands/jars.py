"""`plumbline jars`: what Spark and the broker need beside the Python packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.options import home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from plumbline.document_types import JarsDocument


@click.command(short_help="Fetch the jars of Spark and of the local broker, once.")
@click.option("--add", "added", metavar="NAME", multiple=True, help="Fetch these too: s3, postgres. Repeatable.")
@home_option
@json_option
def jars(added: tuple[str, ...], home: Home, as_json: bool) -> None:
    """Fetch the jars of Spark and of the local broker (112 MB, once), and check each against its SHA-256.

    Does nothing if the jars are already there. --add s3 fetches what Spark needs for Iceberg tables on S3 (66 MB),
    --add postgres the driver of an Iceberg catalog in PostgreSQL. $PLUMBLINE_EXTRA_JARS names folders with jars of your
    own for Spark's class path, driver and executors.

    $PLUMBLINE_IVY_SETTINGS names an ivysettings file for a machine behind a mirror; $PLUMBLINE_JARS names a folder that
    several homes share.

    \b
    Examples:
      plumbline jars
      plumbline jars --add s3 --add postgres
      plumbline jars --home ~/plumbline --json
    """
    from plumbline.connect.jars import GROUPS, OPTIONAL, ensure_jars, read_lock

    for name in added:
        if name not in OPTIONAL:
            raise UsageError(
                f"--add {name}: there are no such jars",
                next_step=f"use {', '.join(OPTIONAL)}; for others put the jar into a folder that PLUMBLINE_EXTRA_JARS "
                "names",
            )
    ensure_jars(home, say)
    for name in added:
        ensure_jars(home, say, groups=[name])
    document: JarsDocument = {"path": str(home.jars), "files": len(read_lock([*GROUPS, *added]))}
    emit(document, as_json, lambda console: console.print(f"{document['files']} jars are complete in {home.jars}"))
