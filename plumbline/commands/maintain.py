"""`plumbline maintain`: keep the tables small without breaking what reads and writes them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.contract.durations import parse_duration
from plumbline.contract.errors import UsageError
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.stream_job.document_types import MaintainDocument

YOUNGEST_ORPHANS = timedelta(days=1)


def _age(_ctx: click.Context, option: click.Parameter, value: str) -> timedelta:
    age = parse_duration(value)
    if age < timedelta(0):
        raise UsageError(f"--{option.name} {value!r} is negative", next_step="write an age such as '7 days'")
    return age


@click.command(short_help="Merge small files, expire old snapshots, remove orphan files.")
@contract_argument
@click.option(
    "--older-than",
    metavar="AGE",
    default="7 days",
    show_default=True,
    callback=_age,
    help="Expire snapshots that are older than this and not needed.",
)
@click.option(
    "--keep-runs",
    metavar="AGE",
    default="30 days",
    show_default=True,
    callback=_age,
    help="Keep the snapshots that reconciles, batch runs and replays of this time read.",
)
@click.option(
    "--orphans-older-than",
    metavar="AGE",
    default="3 days",
    show_default=True,
    callback=_age,
    help="Remove files that are older than this and that no snapshot refers to; at least 1 day.",
)
@click.option("--execute", is_flag=True, help="Do it. Without this, show what would be done and stop.")
@home_option
@json_option
def maintain(
    contract_path: Path,
    older_than: timedelta,
    keep_runs: timedelta,
    orphans_older_than: timedelta,
    execute: bool,
    home: Home,
    as_json: bool,
) -> None:
    """Maintain the stream table, both archives and the tables in `plumbline`: safe beside a running stream.

    These are never expired: the newest snapshot of each streaming query (without it a restart would write an epoch
    twice), tags and branches, and the snapshots that recorded work of the last --keep-runs read.

    With output.aggregate, output.mode: upsert or a source's reduce the joined rows beside the batch table are
    maintained too: their old snapshots go, but for the one that the newest batch run names, whatever its age; their
    files are not joined. A table whose rows are updated is written without its deleted rows, and their delete files go.

    \b
    Examples:
      plumbline maintain flights.yaml
      plumbline maintain flights.yaml --older-than '2 days' --execute
    """
    from plumbline.connect.lake import Lake
    from plumbline.contract.loader import load
    from plumbline.pins import recorded_snapshots
    from plumbline.replay.history import catch_up
    from plumbline.stream_job.maintain import Limits
    from plumbline.stream_job.maintain import maintain as do

    if orphans_older_than < YOUNGEST_ORPHANS:
        raise UsageError(
            f"--orphans-older-than {orphans_older_than} is too short: a running job's newest files would be removed",
            next_step="name an age of at least '1 day'",
        )
    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    lake = Lake.open(home, contract.catalog)
    if execute and lake.exists(contract.output.stream_table):
        catch_up(lake, lake.load(contract.output.stream_table))
    pinned = recorded_snapshots(lake, contract, home, keep_runs)
    done = do(contract, home, Limits(older_than, orphans_older_than), pinned, execute=execute, say=say)
    emit(done, as_json, lambda console: _show(done, console))


def _show(done: MaintainDocument, console: Console) -> None:
    for table in done["tables"]:
        kept = ", ".join(f"{count:,} {reason}" for reason, count in table["kept"].items())
        gone, there = table["removed_delete_files"], table["delete_files"]
        if done["executed"]:
            console.print(
                f"{table['table']}: {table['rewritten_files']:,} small files joined, "
                + (f"{gone:,} of {there:,} delete files removed, " if there else "")
                + f"{table['expire']:,} of {table['snapshots']:,} snapshots expired, {table['orphans']:,} orphan files "
                "removed"
            )
        else:
            console.print(
                f"{table['table']}: would join {table['small_files']:,} of {table['files']:,} files, "
                + (f"remove {there:,} delete files, " if there else "")
                + f"expire {table['expire']:,} of {table['snapshots']:,} snapshots, remove {table['orphans']:,} orphan "
                "files"
            )
        console.print(f"  snapshots that stay: {kept or 'none'}")
    if not done["executed"]:
        console.print("nothing was changed; add --execute to do it")
