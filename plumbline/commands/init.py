"""`plumbline init`: a commented contract to start from."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from plumbline.contract.errors import UsageError
from plumbline.options import json_option
from plumbline.output import emit

if TYPE_CHECKING:
    from plumbline.document_types import InitDocument, Template

TEMPLATES = {"starter": ("plumbline.commands", "starter.yaml"), "flights": ("plumbline.demo.flights", "flights.yaml")}


@click.command(short_help="Write a commented contract to start from.")
@click.argument("path", default="contract.yaml", type=click.Path(path_type=Path))
@click.option(
    "--example", type=click.Choice(["flights"]), help="The contract of an example: flights is the demo's, on real data."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@json_option
def init(path: Path, example: Literal["flights"] | None, force: bool, as_json: bool) -> None:
    """Write a commented contract to start from (default: contract.yaml).

    \b
    Examples:
      plumbline init
      plumbline init flights.yaml --example flights
    """
    template: Template = example or "starter"
    package, name = TEMPLATES[template]
    _write(path, (files(package) / name).read_text(encoding="utf-8"), force)
    document: InitDocument = {"path": str(path), "template": template}
    emit(
        document,
        as_json,
        lambda console: console.print(f"wrote {path}; next: plumbline check {shlex.quote(str(path))}"),
    )


def _write(path: Path, text: str, force: bool) -> None:
    """Write `text` to a new file. Raises UsageError when there is one already, or when the folder refuses."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{str(path)!r} already exists", next_step="name another file, or overwrite it with --force"
        ) from None
    except OSError as error:
        raise UsageError(
            f"cannot write {str(path)!r}: {error.strerror}", next_step="name a file in a folder that you may write to"
        ) from None
