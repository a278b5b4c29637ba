"""The staging table of a replay: what the product itself made, and may therefore drop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.errors import SetupError
from plumbline.replay.opened import Replay
from plumbline.replay.plan import STAGING, staging_table

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake

MADE_BY = "plumbline.replay-id"
"""Table property, set in the commit that creates a staging table: the replay that made it."""


def made_by(table: Table) -> str | None:
    """The replay that made the table; None for a table of anybody else's."""
    maker: str | None = table.metadata.properties.get(MADE_BY)
    return maker


def ours(replay: Replay) -> bool:
    """Whether the replay has a staging table, and made it.

    Earlier versions wrote no property: there the documents of the run in the replay's folder say it.
    """
    lake, table, folder = replay.lake, replay.plan.staging_table, replay.folder
    if not lake.exists(table):
        return False
    maker = made_by(lake.load(table))
    ran = folder.read("run") is not None or folder.tape.exists() or folder.checkpoint.exists()
    return maker == replay.id or (maker is None and ran)


def drop(replay: Replay) -> None:
    """Drop the replay's staging table with its files, if there is one.

    Raises SetupError for a table of that name that the replay did not make.
    """
    refuse_other(replay)
    if replay.lake.exists(replay.plan.staging_table):
        replay.lake.catalog().purge_table(replay.plan.staging_table)


def refuse_other(replay: Replay) -> None:
    """Raise SetupError where a table that the replay did not make has the name of its staging table."""
    table = replay.plan.staging_table
    if replay.lake.exists(table) and not ours(replay):
        raise SetupError(
            f"table {table} exists, and replay {replay.id} did not make it",
            next_step=f"give it a name outside {STAGING}, or drop it if nobody needs it; it was left as it is",
        )


def left_over(lake: Lake, replays: set[str], planned: set[str]) -> list[str]:
    """Staging tables of replays that are not among `replays`: by what the tables say; where they say nothing, by their
    names, if the replay was `planned` here once."""
    names = [name for name in lake.tables() if name.startswith(f"{STAGING}.")]
    makers = {name: made_by(lake.load(name)) for name in names}
    gone = {staging_table(replay_id): replay_id for replay_id in planned - replays}
    made = {name: maker or gone.get(name) for name, maker in makers.items()}
    return [name for name, maker in made.items() if maker is not None and maker not in replays]
