"""Running the drift notebook and turning it into a page that needs no network. Wants the extra `notebook`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import SetupError, UsageError

if TYPE_CHECKING:
    from nbformat import NotebookNode

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
TIMEOUT_SECONDS = 600
STYLE = """
html { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 24px auto; padding: 0 16px; }
pre { overflow-x: auto; font-size: .875rem; }
.jp-InputArea { background: rgba(127, 127, 127, .12); border-radius: 6px; padding: 1px 12px; margin: 16px 0 8px; }
.jp-OutputArea-output { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: baseline; }
a.anchor-link { display: none; }
"""


def execute(path: str | Path, parameters: Mapping[str, Any]) -> NotebookNode:
    """The notebook at `path`, run from its own folder's parent with `parameters` in place of its own values.

    Raises SetupError without the extra or when a cell fails, UsageError for a name that its parameters cell lacks.
    """
    nbformat, nbclient = _needs("nbformat"), _needs("nbclient")
    book = nbformat.read(path, as_version=4)
    _set(book, parameters)
    folder = str(Path(path).resolve().parent.parent)
    client = nbclient.NotebookClient(book, timeout=TIMEOUT_SECONDS, resources={"metadata": {"path": folder}})
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        raise SetupError(f"a cell of the notebook failed: {error.ename}: {error.evalue}", where=str(path)) from None
    return book


def to_html(book: NotebookNode) -> str:
    """The executed notebook as one page: no script, nothing fetched, and a policy that forbids both."""
    _needs("nbconvert")
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter(
        template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True
    ).from_notebook_node(book)
    title = "<meta charset='utf-8'><title>Drift</title>"
    style = f"<style>{STYLE}</style>"
    head = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">{title}{style}'
    return f"<!DOCTYPE html><html lang='en'><head>{head}</head><body>{_inert(html)}</body></html>"


def _inert(html: str) -> str:
    """The body without scripts that an output brought along; what else could run is stopped by the policy."""
    return re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL | re.IGNORECASE)


def _set(book: NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Overwrite lines `NAME = value` of the cell tagged `parameters`."""
    cell = next(cell for cell in book.cells if "parameters" in cell.metadata.get("tags", []))
    for name, value in parameters.items():
        found = re.search(rf"^{re.escape(name)} = .*$", cell.source, re.MULTILINE)
        if found is None:
            raise UsageError(f"the notebook has no parameter {name!r}")
        start, end = found.span()
        cell.source = f"{cell.source[:start]}{name} = {value!r}{cell.source[end:]}"


def _needs(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise SetupError(f"{module} is not installed", next_step="pip install 'plumbline[notebook]'") from None
