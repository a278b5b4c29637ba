"""The SQL that a contract holds: where each expression stands, and the contract with one of them alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.contract.yaml_lines import Path

if TYPE_CHECKING:
    from plumbline.contract.model import Contract, Source

NEUTRAL = "CAST(NULL AS STRING)"
"""What stands in for another expression while one is looked at."""


@dataclass(frozen=True)
class Expression:
    """One SQL expression of a contract. `path` leads to it in the file; `column` is the output column that it makes."""

    path: Path
    sql: str
    column: str | None = None

    @property
    def kind(self) -> str:
        """`compute`, `where` or `columns`, in the order in which each may use those before it."""
        return str(self.path[2]) if self.path[0] == "sources" else "columns"

    @property
    def name(self) -> str:
        """As messages call it: `sources.plays.where`."""
        return ".".join(str(part) for part in self.path)


def expressions(contract: Contract) -> tuple[Expression, ...]:
    """All SQL expressions of the contract: computed columns, conditions, then output columns."""
    return tuple(sorted(_found(contract), key=lambda found: ("compute", "where", "columns").index(found.kind)))


def _found(contract: Contract) -> Iterator[Expression]:
    for name, source in contract.sources.items():
        for column, sql in source.compute.items():
            yield Expression(("sources", name, "compute", column), sql)
        if source.where is not None:
            yield Expression(("sources", name, "where"), source.where)
    plain = {f"{name}.{column}" for name, source in contract.sources.items() for column in source.columns}
    for i, item in enumerate(contract.output.columns):
        if isinstance(item, dict):
            yield from (
                Expression(contract.output.origin(column, ("output", "columns", i, column)), sql, column)
                for column, sql in item.items()
                if sql not in plain
            )


def only(contract: Contract, kept: Expression | None) -> Contract:
    """The contract with this expression and those of earlier kinds that it may use; the others are neutral.

    With None all are neutral.
    """
    sources = {name: _with_only(name, source, kept) for name, source in contract.sources.items()}
    neutral = {one.column for one in expressions(contract) if one.kind == "columns" and one != kept}
    columns = [
        {name: NEUTRAL if name in neutral else sql for name, sql in item.items()} if isinstance(item, dict) else item
        for item in contract.output.columns
    ]
    output = contract.output.model_copy(update={"columns": columns})
    return contract.model_copy(update={"sources": sources, "output": output})


def _with_only(name: str, source: Source, kept: Expression | None) -> Source:
    kind = kept.kind if kept else "compute"
    compute = {
        column: sql if kind != "compute" or (kept and kept.path[1::2] == (name, column)) else NEUTRAL
        for column, sql in source.compute.items()
    }
    here = kind == "columns" or (kept is not None and kept.path == ("sources", name, "where"))
    return source.model_copy(update={"compute": compute, "where": source.where if here else None})
