"""Each notebook runs on real tables, says what the run said, and becomes a page without script or address."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jupytext
import pytest
from tests.reconcile.aggregates.test_compared_aggregates import late
from tests.support.aggregate_world import AggregateWorld, contract
from tests.support.hostile import HOSTILE
from tests.support.world import CONTRACT, World, play, show

from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.ranges import TimeRange, parse_time
from plumbline.contract.safe_text import is_unsafe
from plumbline.cli import run as command
from plumbline.commands.report import OF_LINES
from plumbline.reconcile.report import notebook
from plumbline.replay.plan import make_plan

BOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
NAMES = [book.stem for book in BOOKS]
SHOW = "x</script><script>alert(1)</script><img src=https://evil.example/x>\u202e\x1b[2J"
DAY = TimeRange(parse_time("2024-03-01T00:00Z"), parse_time("2024-03-01T02:00Z"))
SAYS = {
    "drift_report": [
        "2 differences among 5 batch rows (40 %)", "batch 5 -> stream 4", "unexplained: 0", "agrees: True",
        "<title>1 Mar 2024: 1 late_left, 5 batch rows</title>", "shows lost 1 row",
    ],
    "why_this_key": ["late by", "dropped", "t.plays partition 0 offset", "late_right"],
    "lateness_what_if": ["2 of 2 late rows", "10 min", "2 h 10 min"],
    "lines_report": ["unexplained: 1 as the ledger says: True", "batch 11 lines -> stream 8", "shown 3 = 2 + late_left 1"],
    "replay_review": ["rows it would replace", "it has not run yet", "2 findings", "plumbline replay publish"],
}  # fmt: skip
SETTINGS = {"why_this_key": ["--set", "KEY=b"], "lateness_what_if": ["--set", "LONGER=2 hours"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Tables with a late show (whose name is hostile) and a late play, reconciled and recorded; and a planned replay."""
    world = World.at(tmp_path_factory.mktemp("notebook"), "[show_id]", "left_outer").play(
        [show("a", 0), play("pa", "a", 5), show("b", 1)],
        [show("d", 100), play("pd", "d", 120)],
        [],
        [show(SHOW, 3), play("pb", "b", 4)],
        [show("f", 300), play("pf", "f", 301)],
    )
    world.write().reconcile()
    file = world.home.root / "plays.yaml"
    file.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    make_plan(world.contract, file, world.home, DAY, source="iceberg", late="complete")
    return world


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> AggregateWorld:
    """An aggregate with a late show and a spoiled line, reconciled and recorded."""
    world = AggregateWorld.made(tmp_path_factory.mktemp("lines")).play(*late(show("b2", 4))).aggregated()
    world.stream_lines[0]["shown"] += 1
    world.write().compared()
    (world.home.root / "plays.yaml").write_text(contract("left_outer"))
    return world


@pytest.fixture(scope="module")
def pages(world: World, numbers: AggregateWorld) -> dict[str, str]:
    """Each notebook's page, made by `plumbline report --notebook`."""
    made = {}
    for name in NAMES:
        home = (numbers if name == OF_LINES else world).home.root
        out = home / f"{name}.html"
        options = ["--home", str(home), "--notebook", name, *SETTINGS.get(name, []), "--out", str(out)]
        assert command(["report", str(home / "plays.yaml"), *options]) == 0
        made[name] = out.read_text()
    return made


class Elements(HTMLParser):
    """Names of all elements, all attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_the_run_says(name: str, pages: dict[str, str]) -> None:
    text = " ".join(Elements(pages[name]).text.split())
    for said in SAYS[name]:
        assert said in text or said in pages[name], said


@pytest.mark.parametrize("name", NAMES)
def test_its_page_is_inert(name: str, pages: dict[str, str]) -> None:
    html = pages[name]
    head = '<!DOCTYPE html>\n<html lang="en" class="plumbline">\n<head>\n<meta http-equiv="Content-Security-Policy"'
    assert html.startswith(head)
    found = Elements(html)
    assert not found.names & {"script", "img", "iframe", "link", "object"}
    assert [value for key, value in found.attributes if key in ("src", "href")] == []
    assert [key for key, _ in found.attributes if key.startswith("on")] == []
    assert "cdn" not in html.lower()
    assert [char for char in html if is_unsafe(char) and char != "\n"] == []


def test_the_hostile_name_is_there_as_text(pages: dict[str, str]) -> None:
    assert "alert(1)" in Elements(pages["drift_report"]).text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_whatever_an_output_shows_the_page_stays_inert(text: str) -> None:
    from nbformat import v4

    bundles: Sequence[dict[str, str]] = ({"text/html": f"<b>kept</b>{text}<p>after</p>"}, {"text/plain": text})
    outputs = [v4.new_output("display_data", data=data) for data in bundles]
    outputs.append(v4.new_output("stream", text=text))
    html = notebook.to_html(v4.new_notebook(cells=[v4.new_code_cell("1", outputs=outputs), v4.new_markdown_cell(text)]))
    found = Elements(html)
    assert not found.names & {"script", "iframe", "link", "object", "embed", "form", "input", "base", "foreignobject"}
    assert found.names >= {"b", "footer"}
    assert [key for key, _ in found.attributes if key.startswith("on") or key in ("src", "href", "action")] == []
    assert [char for char in html if is_unsafe(char) and char != "\n"] == []


@pytest.mark.parametrize("book", BOOKS, ids=NAMES)
def test_the_kept_notebook_holds_no_output_and_is_its_script(book: Path) -> None:
    cells = json.loads(book.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in code] == [[]] * len(code)
    assert {cell["execution_count"] for cell in code} == {None}
    assert max(len("".join(cell["source"]).splitlines()) for cell in code) <= 18
    script = jupytext.read(book.with_suffix(".py"))
    assert [(c["cell_type"], "".join(c["source"])) for c in cells] == [(c.cell_type, c.source) for c in script.cells]


def test_a_notebook_of_rows_shows_no_aggregate_nor_the_reverse(
    world: World, numbers: AggregateWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    for home, name, other in ((numbers.home.root, "why_this_key", OF_LINES), (world.home.root, OF_LINES, "drift_report")):
        assert command(["report", str(home / "plays.yaml"), f"--home={home}", f"--notebook={name}"]) == 2
        told = capsys.readouterr().err
        assert f"the notebook {name} is of " in told
        assert f"Next: --notebook {other} shows a run of this contract" in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--notebook", "drift_raport"], "there is no notebook 'drift_raport'. Next: did you mean drift_report?"),
        (["--notebook", "drift_report", "--set", "RUNN=x"], "the notebook has no parameter 'RUNN'"),
        (["--notebook", "drift_report", "--set", "RUN"], "--set 'RUN' is not NAME=VALUE"),
        (["--set", "RUN=x"], "--set is for notebooks"),
    ],
)
def test_a_wrong_wish_is_one_line(
    options: list[str], says: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["report", str(world.home.root / "plays.yaml"), "--home", str(world.home.root), *options]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(UsageError, match="no parameter 'CONTRAKT'"):
        notebook.execute(BOOKS[0], {"CONTRAKT": "x"})


def test_a_failing_cell_is_one_line(tmp_path: Path) -> None:
    from nbformat import v4, write

    write(v4.new_notebook(cells=[v4.new_code_cell("import json\njson.loads('x')")]), tmp_path / "odd.ipynb")
    with pytest.raises(SetupError, match=r"a cell of the notebook failed: JSONDecodeError: Expecting value"):
        notebook.execute(tmp_path / "odd.ipynb", {})
