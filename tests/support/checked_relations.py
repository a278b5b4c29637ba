"""In tests every relation is held to its declaration whenever it is filled: columns, types, and who fills it."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    import duckdb

RECONCILE, TESTS = (Path(__file__).resolve().parents[2] / name for name in ("reconcile", "tests"))
_fill, _add = Relation.fill, Relation.add


def hold_relations_to_their_declarations() -> None:
    """From now on a relation that is not as declared fails the test that fills it."""
    Relation.fill = fill  # type: ignore[method-assign]
    Relation.add = add  # type: ignore[method-assign]


def fill(relation: Relation, con: duckdb.DuckDBPyConnection, query: str) -> Relation:
    """`Relation.fill`, checked. Raises AssertionError."""
    check_writer(relation, sys._getframe(1))
    filled = _fill(relation, con, query)
    check_columns(relation, con)
    return filled


def add(relation: Relation, con: duckdb.DuckDBPyConnection, query: str) -> int:
    """`Relation.add`, checked. Raises AssertionError."""
    check_writer(relation, sys._getframe(1))
    return _add(relation, con, query)


def check_columns(relation: Relation, con: duckdb.DuckDBPyConnection) -> None:
    """The relation has the declared columns in their types, and no other ones unless `more` says so."""
    found = con.sql(f"FROM {relation} LIMIT 0")
    held = dict(zip(found.columns, map(str, found.types), strict=True))
    declared = relation.types
    other = [f"{name} {kind}" for name, kind in held.items() if name not in declared and not relation.more]
    assert not other, f"{relation} has columns that are not declared: {', '.join(other)}"
    for name, kinds in declared.items():
        kind = held.get(name, "absent")
        assert kind in kinds or kind.partition("(")[0] in kinds, f"{relation}.{name} is {kind}, declared {kinds}"


def check_writer(relation: Relation, caller: FrameType) -> None:
    """The declared writer is among those who ask for it, by itself or through a function that fills what it is given.
    A test may fill what it likes."""
    frame: FrameType | None = caller
    files = []
    while frame is not None:
        files.append(_file(frame.f_code.co_filename))
        frame = frame.f_back
    allowed = files[0].is_relative_to(TESTS) or RECONCILE / relation.writer in files
    assert allowed, f"{relation} is filled by {files[0]}, declared {relation.writer}"


@cache
def _file(named: str) -> Path:
    """The file of some code, links followed: a hundred relations are filled in a run, each from twenty frames down."""
    return Path(named).resolve()
