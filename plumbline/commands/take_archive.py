"""`plumbline stream take-archive`: another contract writes an archive from now on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import SetupError, UsageError
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.contract.model import Contract
    from plumbline.stream_job.document_types import TakeArchiveDocument


@click.command("take-archive", short_help="Take over the writing of an archive from another contract.")
@contract_argument
@click.option("--source", "names", metavar="NAME", multiple=True, help="Only the archive of this source.")
@click.option("--execute", is_flag=True, help="Do it. Without this, show what would be done and stop.")
@home_option
@json_option
def take_archive(contract_path: Path, names: tuple[str, ...], execute: bool, home: Home, as_json: bool) -> None:
    """Let this contract write the archives of its sources that another contract writes, for example when that one is
    retired.

    The next `stream run` of this contract continues where the archive ends; that of the other contract then only reads
    it. Stop the other job first, on whatever machine it runs: two jobs at once would archive each record twice.

    \b
    Examples:
      plumbline stream take-archive flights.yaml
      plumbline stream take-archive flights.yaml --source delays --execute
    """
    from plumbline.connect import owners
    from plumbline.connect.lake import Lake
    from plumbline.contract.archive_columns import refuse_archive_of_theirs
    from plumbline.contract.loader import load

    contract = load(contract_path, aggregates=True)
    refuse_archive_of_theirs(contract, "stream take-archive", "leave archiving to that tool")
    for name in names:
        if name not in contract.sources:
            raise UsageError(
                f"the contract has no source {name!r}", next_step=f"use one of {', '.join(contract.sources)}"
            )
    lake = Lake.open(home, contract.catalog)
    taken = {}
    for name in names or contract.sources:
        owner = owners.archive_owner(lake, contract, name)
        if owner is not None:
            _refuse_running(owner, home, contract, name)
            taken[contract.sources[name].archive] = owner
            if execute:
                owners.take_archive(lake, contract, name)
    document: TakeArchiveDocument = {"contract": contract.contract, "taken": taken, "executed": execute}
    emit(document, as_json, lambda console: _show(document, console))


def _refuse_running(owner: str, home: Home, contract: Contract, name: str) -> None:
    from plumbline.stream_job.job_folder import JobFolder

    running = JobFolder(home.checkpoints / owner).owner()
    if running is not None and owner != contract.contract:
        raise SetupError(
            f"the job of contract {owner} runs (pid {running.pid} since {running.since}) and archives {name!r}",
            where=str(home.checkpoints / owner),
            next_step="stop it first; two jobs at once would archive each record twice",
        )


def _show(document: TakeArchiveDocument, console: Console) -> None:
    if not document["taken"]:
        console.print("no archive of this contract is written by another one")
    for archive, owner in document["taken"].items():
        console.print(
            f"{archive}: written by contract {owner} until now, by {document['contract']} from its next start"
        )
    if document["taken"] and not document["executed"]:
        console.print("nothing was changed: add --execute to do it")
