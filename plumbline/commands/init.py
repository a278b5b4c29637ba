"""`plumbline init`: a commented contract to start from, or one drafted from the tables of a job that runs already."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.options import home_option, json_option
from plumbline.output import emit
from plumbline.properties import typed_properties
from plumbline.sections import Sectioned

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.document_types import InitDocument, PlaceToFillIn, Template

TEMPLATES = {"starter": ("plumbline.commands", "starter.yaml"), "flights": ("plumbline.demo.flights", "flights.yaml")}
SECTIONS = {
    "From the tables of your own job": (
        "from_table",
        "job",
        "key",
        "batch_table",
        *("left_archive", "right_archive", "from_topic", "left_topic", "right_topic", "kafka", "catalog", "home"),
    )
}


@click.command(short_help="Write a commented contract to start from.", cls=Sectioned, sections=SECTIONS)
@click.argument("path", default="contract.yaml", type=click.Path(path_type=Path))
@click.option(
    "--example", type=click.Choice(["flights"]), help="The contract of an example: flights is the demo's, on real data."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--from-table", metavar="TABLE", help="Draft it from the table that your own streaming job writes.")
@click.option("--job", type=click.Choice(["spark", "flink", "other"]), help="What runs it; default: what commits say.")
@click.option("--key", multiple=True, metavar="COLUMN", help="Column that identifies a row. Repeatable.")
@click.option("--batch-table", metavar="TABLE", help="The table's batch twin, if you have one.")
@click.option(
    "--left-archive", metavar="TABLE", help="Table with the records of the join's left side, if there is one."
)
@click.option("--right-archive", metavar="TABLE", help="The same of the right side.")
@click.option(
    "--from-topic",
    multiple=True,
    metavar="TOPIC",
    help="Given twice: the Kafka topic of the left side, then that of the right one.",
)
@click.option("--left-topic", metavar="TOPIC", help="Kafka topic of the left side.")
@click.option("--right-topic", metavar="TOPIC", help="Kafka topic of the right side.")
@click.option(
    "--kafka",
    multiple=True,
    metavar="NAME=VALUE",
    callback=typed_properties,
    help="Look at the topics' newest records: bootstrap.servers=host:9092. '${NAME}' as below. Repeatable.",
)
@click.option(
    "--catalog",
    multiple=True,
    metavar="NAME=VALUE",
    callback=typed_properties,
    help="Property of the catalog: type=rest, uri=https://… '${NAME}' is read from the environment. Repeatable.",
)
@home_option
@json_option
def init(
    path: Path,
    example: Literal["flights"] | None,
    force: bool,
    as_json: bool,
    from_table: str | None = None,
    **options: Any,
) -> None:
    """Write a commented contract to start from (default: contract.yaml).

    With --from-table it is drafted from the tables of a streaming job that you run already: columns, types and names as
    the tables have them. What they do not tell is marked FILL_IN, with a comment; `plumbline check` names those lines
    until they are filled in. A column is taken for the event time only where it is the one timestamp. With --kafka the
    newest records of the topics are looked at too: their fields, how late they come, and how far apart pairs lie. No
    file is overwritten by a draft.

    \b
    Examples:
      plumbline init
      plumbline init flights.yaml --example flights
      plumbline init takes.yaml --from-table ads.takes --from-topic impressions --from-topic plays --key imp_id
      plumbline init takes.yaml --from-table ads.takes --left-archive raw.impressions --right-archive raw.plays
      plumbline init --from-table ads.takes --left-topic imps --right-topic plays --kafka bootstrap.servers=kafka:9092
    """
    if from_table is not None:
        _refuse_with_draft(path, example, force)
        topics = _topics(*(options.pop(name) for name in ("from_topic", "left_topic", "right_topic")))
        document = _draft(path, from_table, topics, **options)
    else:
        _refuse_without_table(options)
        template: Template = example or "starter"
        package, name = TEMPLATES[template]
        _write(path, (files(package) / name).read_text(encoding="utf-8"), force)
        document = {"path": str(path), "template": template}
    emit(document, as_json, lambda console: _show(document, options.get("home"), console))


def _refuse_with_draft(path: Path, example: str | None, force: bool) -> None:
    if example is not None:
        raise UsageError("both --from-table and --example are given", next_step="give one of them")
    if force:
        raise UsageError("a draft overwrites no file, so --force does not go with it", next_step="name another file")
    if path.exists():
        raise UsageError(f"{str(path)!r} already exists", next_step="name another file")


def _refuse_without_table(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value and name != "home":
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for a draft", next_step=f"add --from-table TABLE, or leave out {option}")


def _topics(from_topic: tuple[str, ...], left: str | None, right: str | None) -> tuple[str | None, str | None]:
    """The topics of both sides, by either spelling."""
    if not from_topic:
        return left, right
    if left or right:
        step = "name both topics by --from-topic, or both by --left-topic and --right-topic"
        raise UsageError("topics are named in two ways", next_step=step)
    if len(from_topic) != 2:
        step = "give it twice, for the left side and then for the right one; --left-topic or --right-topic names one"
        raise UsageError(f"a join has two sides, and --from-topic names {len(from_topic)}", next_step=step)
    return from_topic[0], from_topic[1]


def _draft(
    path: Path,
    from_table: str,
    topics: tuple[str | None, str | None],
    *,
    home: Home,
    catalog: dict[str, str],
    batch_table: str | None,
    left_archive: str | None,
    right_archive: str | None,
    kafka: dict[str, str],
    **told: Any,
) -> InitDocument:
    """Look at the tables and write the file."""
    from plumbline.connect.lake import Lake
    from plumbline.draft.contract import Told, draft, new_tables
    from plumbline.draft.lines import unfilled, written
    from plumbline.draft.sampling import newest
    from plumbline.draft.seen import look
    from plumbline.draft.sources import named_sides
    from plumbline.properties import refuse_secrets, resolved

    refuse_secrets("--catalog", catalog)
    refuse_secrets("--kafka", kafka)
    lake = Lake.open(home, resolved(catalog) or None)
    seen = look(lake, (from_table, batch_table, left_archive, right_archive))
    archives = seen.get(left_archive or ""), seen.get(right_archive or "")
    if kafka and not any(topics):
        raise UsageError("--kafka looks at topics, and none is named", next_step="add --left-topic and --right-topic")
    samples = {topic: newest(resolved(kafka), topic) for topic in topics if topic and kafka}
    left, right = named_sides(topics, archives, samples)
    taken = {name for name in new_tables(from_table, (left, right)) if lake.exists(name)}
    batch = seen[batch_table] if batch_table else None
    lines = draft(Told(seen[from_table], batch, left, right, taken=taken, catalog=catalog, kafka=kafka, **told))
    _write(path, written(lines), force=False)
    places: list[PlaceToFillIn] = [
        {"line": number, "text": line.text.strip(), "what": line.comment} for number, line in unfilled(lines)
    ]
    return {"path": str(path), "template": "table", "fill_in": places}


def _show(document: InitDocument, home: Home | None, console: Console) -> None:
    path = document["path"]
    if "fill_in" not in document:
        console.print(f"wrote {path}; next: plumbline check {shlex.quote(path)}")
        return
    console.print(f"wrote {path}. These lines are to be filled in:")
    for place in document["fill_in"]:
        console.print(f"  {place['line']:>4}  {place['text']:<24} {place['what']}")
    console.print(f"when they are, next: plumbline check {shlex.quote(path)}{home.option if home else ''}")


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
