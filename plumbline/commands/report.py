"""`plumbline report`: a recorded reconcile as a page, as Markdown, or by a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.reconcile.document import Document
    from plumbline.reconcile.lateness.curve import Lateness
    from plumbline.reconcile.report.context import Facts, Replay


FORMATS = ("html", "md", "json")
OF_LINES = "lines_report"
"""The notebook that shows a run of an aggregate; the others show rows."""


@click.command(short_help="Write a recorded reconcile as a page, as Markdown, or by a notebook.")
@contract_argument
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="RUN_ID",
    default=("latest",),
    show_default=True,
    help="Run to show. Give it twice for before and after a replay, in that order.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="html",
    show_default=True,
    help="html: one page. md: a message for a pull request or a chat. json: the same answers for programs.",
)
@click.option(
    "--notebook", metavar="NAME", help="Run this notebook on the run and write it as a page: a name or an .ipynb file."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the notebook. Repeatable.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file. Without it a page is drift-CONTRACT-RUN_ID.html, and md and json go to stdout.",
)
@home_option
@json_option
def report(
    contract_path: Path,
    runs: tuple[str, ...],
    form: str,
    notebook: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    home: Home,
    as_json: bool,
) -> None:
    """Write a recorded reconcile for readers. Nothing is computed again: any run can be shown at any time.

    The page needs no network and runs no script. It answers first whether the stream is true, how much differs, why,
    and what to do; then come the books, drift per window and per cause, what other watermarks would have lost, the
    stories of the rows that drifted most, and the commands to repeat the run and to repair the drift.

    Of a contract with output.aggregate the page has the books in lines and in joined rows, and the sum that explains
    each value of a line; it shows one run. Of tables with the newest row per key (output.mode: upsert) it has no
    command that replays, and no prediction.

    Notebooks: drift_report, why_this_key, lateness_what_if, replay_review, and lines_report of an aggregate (they need
    the extra `notebook`).

    \b
    Examples:
      plumbline report flights.yaml
      plumbline report flights.yaml --run 3737101003c7b006 --out drift.html
      plumbline report flights.yaml --run 3737101003c7b006 --run latest --json
      plumbline report flights.yaml --format md | gh pr comment --body-file -
      plumbline report flights.yaml --notebook why_this_key --set KEY=2013-02-19/DL2319/LGA
    """
    if form == "md" and as_json and out is None and notebook is None:
        raise UsageError(
            "--format md prints Markdown, where --json asks for one JSON document",
            next_step="--format json for the answers as JSON, or name a file for the Markdown with --out",
        )
    if notebook is not None:
        _refuse_other_notebook(contract_path, notebook)
        result = make_notebook(contract_path, home, notebook, runs[0], _settings(settings), out)
    elif settings:
        raise UsageError("--set is for notebooks", next_step="name one with --notebook")
    elif form == "html":
        result = make(contract_path, home, runs, out)
    else:
        text = _text(form, contract_path, home, runs)
        if out is None:
            print(text, end="", flush=True)
            return
        result = _written(out, text)
    emit(result, as_json, lambda console: console.print(f"{result['file']} ({result['bytes']:,} bytes)"))


def make(contract_path: Path, home: Home, runs: Sequence[str], out: Path | None = None) -> dict[str, Any]:
    """Write the page; `{"file", "bytes", "runs", "verdicts", "replays"}`.

    Raises UsageError for an unknown run, SetupError without any recorded run or when the file cannot be written.
    """
    from plumbline.reconcile.report.page import render

    contract = _aggregate(contract_path)
    if contract is not None:
        from plumbline.commands import aggregate_report as lines

        document, of_lines = lines.read(contract, _shown(contract_path), home, runs)
        target = out or Path(f"drift-{document['contract']}-{document['run_id']}.html")
        return lines.page(document, of_lines, target, _shown(target))
    documents, findings, facts = read(contract_path, home, runs)
    first = documents[0]
    target = out or Path(f"drift-{first['contract']}-{first['run_id']}.html")
    page = render(documents, findings, replace(facts, page=_shown(target)))
    return _written(target, page) | {
        "runs": [document["run_id"] for document in documents],
        "verdicts": [document["verdict"] for document in documents],
        "replays": [replay.replay_id for replay in facts.replays],
    }


def make_notebook(
    contract_path: Path, home: Home, name: str, run_id: str, settings: Mapping[str, str], out: Path | None
) -> dict[str, Any]:
    """Run a notebook on a recorded run and write it as a page; `{"file", "bytes"}`.

    Raises UsageError for an unknown notebook or parameter, SetupError without the extra or when a cell fails.
    """
    from plumbline.reconcile.report import notebook

    path = notebook.find(name)
    given = {"CONTRACT": str(contract_path.absolute()), "HOME": str(home.root), "RUN": run_id, **settings}
    executed = notebook.execute(path, given)
    return _written(out or Path(f"{path.stem}.html"), notebook.to_html(executed, path.stem.replace("_", " ")))


def _refuse_other_notebook(contract_path: Path, name: str) -> None:
    """Raise UsageError for one of our notebooks that shows rows where the contract has an aggregate, or the reverse;
    and for each of them where rows are updated."""
    from plumbline.contract.loader import load
    from plumbline.contract.upsert import MODE
    from plumbline.reconcile.report import notebook

    path = notebook.find(name)
    contract = load(contract_path, aggregates=True, upserts=True)
    of_lines, wanted = path.stem == OF_LINES, contract.output.aggregate is not None
    if path.parent == notebook.FOLDER and contract.output.is_upsert:
        raise UsageError(
            f"the notebook {path.stem} is not built for output.mode: upsert yet",
            where=contract.place(MODE),
            next_step="--format html shows a run of this contract",
        )
    if path.parent == notebook.FOLDER and of_lines != wanted:
        what, other = ("an aggregate", "drift_report") if of_lines else ("rows", OF_LINES)
        step = f"--notebook {other} shows a run of this contract"
        raise UsageError(f"the notebook {path.stem} is of {what}", where=str(contract_path), next_step=step)


def read(contract_path: Path, home: Home, runs: Sequence[str]) -> tuple[list[Document], list[dict[str, Any]], Facts]:
    """The recorded documents, the first one's telling findings, and what else a report may say."""
    from plumbline.connect.lake import Lake
    from plumbline.contract.loader import load
    from plumbline.expectations.record import recorded as checked
    from plumbline.reconcile.report import stored_runs
    from plumbline.reconcile.report.context import Facts

    contract = load(contract_path, upserts=True)
    lake = Lake.open(home, contract.catalog)
    documents = stored_runs.documents(contract, lake, runs)
    replays = replays_between(lake, home, contract, documents)
    checks = checked(lake, contract, documents[0]["range"])
    facts = Facts(contract, _shown(contract_path), home.option, lateness(contract, home, documents[0]), replays, checks)
    return documents, stored_runs.findings(lake, documents[0]["run_id"]), facts


def _aggregate(contract_path: Path) -> Contract | None:
    """The contract, if its output is an aggregate."""
    from plumbline.contract.loader import load

    contract = load(contract_path, aggregates=True, upserts=True)
    return None if contract.output.aggregate is None else contract


def _text(form: str, contract_path: Path, home: Home, runs: Sequence[str]) -> str:
    contract = _aggregate(contract_path)
    if contract is None:
        return spelled(form, *read(contract_path, home, runs))
    from plumbline.commands import aggregate_report as lines

    return lines.spelled(form, *lines.read(contract, _shown(contract_path), home, runs))


def _shown(path: Path) -> str:
    """The path as a user of this folder would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)


def spelled(form: str, documents: Sequence[Document], findings: Sequence[Mapping[str, Any]], facts: Facts) -> str:
    """The same as Markdown, or as one JSON document: `{"answers", "runs", "keys"}`."""
    from dataclasses import asdict

    from plumbline.output import as_json_text
    from plumbline.reconcile.report import markdown, stories
    from plumbline.reconcile.report.answers import answers

    if form == "md":
        return markdown.render(documents, findings, facts)
    told = stories.worst(findings, contract=facts.contract)
    found = asdict(answers(documents, facts, stories.of_each_cause(findings, facts.contract)))
    return as_json_text({"answers": found, "runs": list(documents), "keys": [asdict(story) for story in told]}) + "\n"


def _written(target: Path, text: str) -> dict[str, Any]:
    from plumbline.reconcile.report.page import write

    return {"file": str(target.absolute()), "bytes": write(target, text)}


def _settings(given: Sequence[str]) -> dict[str, str]:
    pairs = [setting.partition("=") for setting in given]
    for name, equals, value in pairs:
        if not equals:
            raise UsageError(f"--set {name + value!r} is not NAME=VALUE", next_step="write --set KEY=a")
    return {name: value for name, _, value in pairs}


def lateness(contract: Contract, home: Home, document: Document) -> tuple[Lateness, ...]:
    """The lateness curves, or none when they cannot be computed: a snapshot that the run read has expired
    since, or the stream's Spark is not proven."""
    from plumbline.contract.errors import IncompleteError, SetupError
    from plumbline.reconcile.lateness.curve import measure

    try:
        return measure(contract, home, document)
    except (SetupError, IncompleteError) as error:
        say(f"report: without the lateness curve, {error.what}")
        return ()


def replays_between(lake: Lake, home: Home, contract: Contract, documents: Sequence[Document]) -> list[Replay]:
    """The replays published in the stream table after the first document's snapshot and still there in the last's."""
    from plumbline.replay.history import Between, published_between

    table = contract.output.stream_table
    first, last = documents[0], documents[-1]
    span = Between(*(one["snapshots"].get(table) for one in (first, last)), *map(_recorded, (first, last)))
    found = published_between(lake, lake.load(table), span)
    known = (_replay(home, replay_id, snapshot_id) for replay_id, snapshot_id in found)
    return [replay for replay in known if replay is not None]


def _recorded(document: Document) -> datetime:
    return datetime.fromisoformat(document["recorded_at"])


def _replay(home: Home, replay_id: str, snapshot_id: int | None) -> Replay | None:
    """What the replay's folder tells about it; None when its plan is gone."""
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.report.context import Replay
    from plumbline.replay.pieces import READ
    from plumbline.replay.store import ReplayFolder

    folder = ReplayFolder.of(home, replay_id)
    plan = folder.read("plan")
    if plan is None:
        return None
    time_range = TimeRange.of_json(plan["range"])
    doors = {piece["door"] for source in plan["sources"].values() for piece in source["pieces"]}
    rows = (folder.read("run") or {}).get("rows")
    return Replay(replay_id, time_range, " and ".join(sorted(doors & set(READ))), rows, snapshot_id)
