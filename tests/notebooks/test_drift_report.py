"""The notebook runs on real tables, says what the run said, and becomes a page without script or address."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from world import CONTRACT, World, play, show

from contract.errors import SetupError, UsageError
from reconcile.report import notebook

BOOK = Path(__file__).resolve().parents[2] / "notebooks" / "drift_report.ipynb"
HOSTILE = "x</script><script>alert(1)</script><img src=https://evil.example/x>"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Tables with a late show (whose name is hostile) and a late play, reconciled and recorded."""
    world = World.at(tmp_path_factory.mktemp("notebook"), "[show_id]", "left_outer").play(
        [show("a", 0), play("pa", "a", 5), show("b", 1)],
        [show("d", 100), play("pd", "d", 120)],
        [],
        [show(HOSTILE, 3), play("pb", "b", 4)],
        [show("f", 300), play("pf", "f", 301)],
    )
    world.write().reconcile()
    (world.home.root / "plays.yaml").write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    return world


@pytest.fixture(scope="module")
def executed(world: World) -> Any:
    parameters = {"CONTRACT": str(world.home.root / "plays.yaml"), "HOME": str(world.home.root)}
    return notebook.execute(BOOK, parameters)


class Elements(HTMLParser):
    """Names of all elements, and all attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def outputs(cells: Sequence[Any]) -> str:
    """All text that the cells printed or showed."""
    shown = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.get("text") or "\n".join(map(str, output.data.values())) for output in shown)


def test_it_says_what_the_run_says(executed: Any, world: World) -> None:
    text = outputs(executed.cells)
    assert "2 differences among 5 batch rows (40 %)" in text
    assert "batch 5 -> stream 4" in text
    assert "unexplained: 0" in text
    assert "agrees: True" in text
    assert "2 late_" not in text
    assert "<title>1 Mar 2024: 1 late_left, 5 batch rows</title>" in text
    assert "shows lost 1 row" in text
    assert world.findings()[0]["run_id"] in text


def test_its_page_is_inert(executed: Any) -> None:
    html = notebook.to_html(executed)
    assert html.startswith("<!DOCTYPE html><html lang='en'><head><meta http-equiv=\"Content-Security-Policy\"")
    found = Elements()
    found.feed(html)
    assert not found.names & {"script", "img", "iframe", "link", "object"}
    assert {value[:1] for name, value in found.attributes if name in ("src", "href")} <= {"#"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "alert(1)" in html
    assert "cdn" not in html.lower()


def test_a_script_in_an_output_is_left_out() -> None:
    from nbformat import v4

    shown = v4.new_output(
        "display_data", data={"text/html": "<b>kept</b><SCRIPT src='https://cdn.example/x.js'>\n1</SCRIPT>"}
    )
    html = notebook.to_html(v4.new_notebook(cells=[v4.new_code_cell("1", outputs=[shown])]))
    assert "<b>kept</b>" in html
    assert "cdn.example" not in html


def test_the_kept_notebook_holds_no_output() -> None:
    cells = [cell for cell in json.loads(BOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)
    assert {cell["execution_count"] for cell in cells} == {None}
    assert max(len("".join(cell["source"]).splitlines()) for cell in cells) <= 15


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(UsageError, match="no parameter 'CONTRAKT'"):
        notebook.execute(BOOK, {"CONTRAKT": "x"})


def test_a_failing_cell_is_one_line(world: World) -> None:
    with pytest.raises(SetupError, match=r"a cell of the notebook failed: UsageError: there is no recorded run 'nope'"):
        notebook.execute(
            BOOK, {"CONTRACT": str(world.home.root / "plays.yaml"), "HOME": str(world.home.root), "RUN": "nope"}
        )
