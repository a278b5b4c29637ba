"""`python -m tools.docs` writes the generated pages of docs/: command line, Python, contract keys, JSON Schema, errors.

A test compares them with the code, so that they cannot fall behind it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from plumbline.contract.durations import DURATION_FORM
from plumbline.contract.fields import FIELD_TYPE_SCHEMA
from plumbline.contract.kinds import CONTRACT_NAME, NAME, TABLE_NAME
from plumbline.contract.loader import json_schema
from tools.error_page import error_page
from tools.json_documents import json_pages
from tools.python_page import python_page

BOOLEAN = "true or false"
ROOT = Path(__file__).resolve().parents[1]
PATTERNS = {
    NAME: "name",
    TABLE_NAME: "`namespace.table`",
    CONTRACT_NAME: "name in lower case",
    f"^{DURATION_FORM.pattern}$": "duration",
}


def pages() -> dict[Path, str]:
    """Each generated file with its text."""
    docs = ROOT / "docs"
    contract, tables, reconcile = docs / "contract.md", docs / "tables.md", docs / "reconcile.md"
    operations = docs / "operations.md"
    return {
        docs / "cli.md": cli_page(),
        docs / "errors.md": error_page(ROOT),
        docs / "python.md": python_page(),
        **json_pages(docs),
        docs / "contract.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
        contract: with_keys(contract.read_text(encoding="utf-8")),
        tables: with_columns(tables.read_text(encoding="utf-8")),
        reconcile: with_causes(reconcile.read_text(encoding="utf-8")),
        operations: with_metrics(operations.read_text(encoding="utf-8")),
    }


def cli_page() -> str:
    """The reference of the command line, one section for each command, from its own --help."""
    from plumbline.cli import cli

    lines = ["# Command line", "", "Generated from `--help` by `make docs`.", ""]
    for name, text in helps(cli, click.Context(cli, info_name="plumbline", **cli.context_settings)):
        lines += [f"## `{name}`", "", "```text", text, "```", ""]
    return "\n".join(lines)


def helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """(full name, help) of a command and of all below it."""
    context.terminal_width = 100
    yield context.command_path, command.get_help(context).strip()
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, name
            yield from helps(below, click.Context(below, parent=context, info_name=name))


def with_keys(page: str) -> str:
    """`page` with the table after each `<!-- keys: Block -->` made from the model's JSON Schema."""
    schema = json_schema()
    blocks = {"Contract": schema, **schema["$defs"]}

    def table(match: re.Match[str]) -> str:
        return f"<!-- keys: {match[1]} -->\n{keys_table(blocks[match[1]], schema['$defs'])}\n<!-- end -->"

    return re.sub(r"<!-- keys: (\w+) -->.*?<!-- end -->", table, page, flags=re.DOTALL)


def with_columns(page: str) -> str:
    """`page` with the table after each `<!-- table: module:name -->` made from that Arrow schema."""

    def table(match: re.Match[str]) -> str:
        module, _, name = match[1].partition(":")
        found = getattr(import_module(module), name)
        rows = ["| column | type | meaning |", "|---|---|---|"]
        for column in found() if callable(found) else found:
            meaning = (column.metadata or {}).get(b"doc", b"").decode()
            rows.append(f"| `{column.name}` | `{arrow_type(str(column.type))}` | {meaning} |")
        lines = "\n".join(rows)
        return f"<!-- table: {match[1]} -->\n{lines}\n<!-- end -->"

    return re.sub(r"<!-- table: ([\w.:]+) -->.*?<!-- end -->", table, page, flags=re.DOTALL)


def with_causes(page: str) -> str:
    """`page` with the table of causes, in order of precedence, from their modules."""
    from plumbline.reconcile.causes import registry

    rows = ["| cause | meaning | proof over the evidence |", "|---|---|---|"]
    for cause in registry():
        proof = " ".join(cause.proof.split())
        rows.append(f"| `{cause.name}` | {cause.title} | `{proof}` |")
    lines = "\n".join(rows)
    return re.sub(
        r"<!-- causes -->.*?<!-- end -->", lambda _: f"<!-- causes -->\n{lines}\n<!-- end -->", page, flags=re.DOTALL
    )


def with_metrics(page: str) -> str:
    """`page` with the table of the metrics that the streaming job serves."""
    from plumbline.stream_job.metrics import METRICS

    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.shown}` | {metric.kind} | {labels} | {metric.help} |".replace("|  |", "| |"))
    lines = "\n".join(rows)
    return re.sub(
        r"<!-- metrics -->.*?<!-- end -->", lambda _: f"<!-- metrics -->\n{lines}\n<!-- end -->", page, flags=re.DOTALL
    )


def arrow_type(spelled: str) -> str:
    """An Arrow type in the words of the docs: no nullability marks, `timestamp` for UTC microseconds."""
    plain = re.sub(r"timestamp\[us, tz=UTC\]", "timestamp", spelled)
    return plain.replace("item: ", "").replace("element: ", "").replace(" not null", "")


def keys_table(block: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A Markdown table of a block's keys: type, default, meaning."""
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, spec in block["properties"].items():
        default = "required" if key in block.get("required", []) else _default(spec.get("default"))
        meaning = spec.get("description", "").replace("|", "\\|")
        rows.append(f"| `{key}` | {spell(spec, definitions)} | {default} | {meaning} |".replace("|  |", "| |"))
    return "\n".join(rows)


def spell(spec: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON Schema in the words of the docs."""
    if "$ref" in spec:
        name = spec["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if spec.get("anyOf") == FIELD_TYPE_SCHEMA["anyOf"]:
        return "[field type](#field-types)"
    if "anyOf" in spec:
        parts = [spell(part, definitions) for part in spec["anyOf"] if part != {"type": "null"}]
        if {"whole number", "number"} <= {*parts}:
            parts.remove("whole number")
        return "text, number or boolean" if {"text", "number", BOOLEAN} <= {*parts} else " or ".join(parts)
    if "enum" in spec:
        return " or ".join(f"`{value}`" for value in spec["enum"])
    if "const" in spec:
        return f"`{spec['const']}`"
    if "prefixItems" in spec:
        return "[" + ", ".join(spell(part, definitions) for part in spec["prefixItems"]) + "]"
    if spec["type"] == "array":
        items = spell(spec["items"], definitions)
        return f"list of ({items})" if " name to " in items else f"list of {items}"
    if spec["type"] == "object":
        inner = next(iter(spec.get("patternProperties", {}).values()), None) or spec["additionalProperties"]
        return f"name to {spell(inner, definitions)}"
    plain = {"integer": "whole number", "number": "number", "boolean": BOOLEAN, "string": "text"}
    return PATTERNS.get(spec.get("pattern", ""), plain[spec["type"]])


def _default(value: Any) -> str:
    return "" if value in (None, {}, []) or isinstance(value, dict) else f"`{value}`"


def main() -> None:
    """Write every page whose text has changed, and say which."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
