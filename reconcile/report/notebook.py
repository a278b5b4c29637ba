"""Running a notebook on a recorded run and turning it into a page. Wants the extra `notebook`."""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.report.sanitize import inert

if TYPE_CHECKING:
    from nbformat import NotebookNode

TIMEOUT_SECONDS = 600
FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
PICTURES = ("image/png", "image/jpeg")


def find(name: str) -> Path:
    """The notebook of that name in notebooks/, or the .ipynb file. Raises UsageError, naming the nearest."""
    path = Path(name) if name.endswith(".ipynb") else FOLDER / f"{name}.ipynb"
    if path.is_file():
        return path
    known = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    near = difflib.get_close_matches(name, known, 1, 0.4)
    step = f"did you mean {near[0]}?" if near else f"name an .ipynb file, or one of: {', '.join(known) or 'none here'}"
    raise UsageError(f"there is no notebook {name!r}", next_step=step)


def execute(path: str | Path, parameters: Mapping[str, Any]) -> NotebookNode:
    """The notebook at `path`, run from its own folder's parent with `parameters` in place of its own values.

    Raises SetupError without the extra or when a cell fails, UsageError for a name that its parameters cell lacks.
    """
    nbformat, nbclient = _needs("nbformat"), _needs("nbclient")
    book = nbformat.read(path, as_version=4)
    _set(book, parameters)
    folder = str(Path(path).resolve().parent.parent)
    client = nbclient.NotebookClient(book, timeout=TIMEOUT_SECONDS, resources={"metadata": {"path": folder}})
    with tempfile.TemporaryDirectory(prefix="plumbline-") as sockets:
        kernel = client.create_kernel_manager()
        kernel.transport, kernel.ip = "ipc", f"{sockets}/kernel"  # no port that another user could reach
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            raise SetupError(f"a cell of the notebook failed: {error.ename}: {error.evalue}", where=str(path)) from None
    return book


def to_html(book: NotebookNode, title: str = "Drift") -> str:
    """The executed notebook as one page by the report's own template rules: no script, nothing fetched, and a policy
    that forbids both."""
    from plumbline.reconcile.report.templating import environment

    page = environment().get_template("notebook.html")
    return page.render(title=title, cells=list(_cells(book)))


def _cells(book: NotebookNode) -> Iterator[dict[str, Any]]:
    """Each cell as the template shows it: words as HTML, or code as lines with what came out."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    markdown, number = MarkdownIt("commonmark", {"html": False}).enable("table"), 0
    for cell in book.cells:
        if cell.cell_type == "markdown":
            yield {"words": Markup(inert(markdown.render(cell.source)))}
        elif cell.cell_type == "code":
            number += 1
            outputs = [shown for output in cell.outputs for shown in _output(output)]
            yield {"words": None, "number": number, "code": cell.source.split("\n"), "outputs": outputs}


def _output(output: NotebookNode) -> Iterator[tuple[str, Any]]:
    """One output: its HTML or picture if it has one, else its text as lines."""
    from markupsafe import Markup

    data = output.get("data", {})
    picture = next((f'<img alt="" src="data:{kind};base64,{data[kind]}">' for kind in PICTURES if kind in data), None)
    html = data.get("text/html") or picture
    if html:
        yield "html", Markup(inert(html))
    else:
        text = output.get("text") or data.get("text/plain") or ""
        yield "text", text.rstrip("\n").split("\n")


def _set(book: NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Overwrite lines `NAME = value` of the cell tagged `parameters`."""
    cell = next((cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])), None)
    for name, value in parameters.items():
        found = cell and re.search(rf"^{re.escape(name)} = .*$", cell.source, re.MULTILINE)
        if not cell or not found:
            raise UsageError(f"the notebook has no parameter {name!r}")
        start, end = found.span()
        cell.source = f"{cell.source[:start]}{name} = {value!r}{cell.source[end:]}"


def _needs(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise SetupError(f"{module} is not installed", next_step="pip install 'plumbline[notebook]'") from None
