"""Relations are named once: all SQL of reconcile/ names them by their declarations, and only its writer changes one."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from plumbline.reconcile.relations import aggregates, diff, evidence, implied, inputs, judge, upserts
from plumbline.reconcile.relations.relation import Relation
from tests.support.checked_relations import check_writer

ROOM = Path(__file__).resolve().parents[2] / "reconcile"
MODULES = sorted(path for path in ROOM.rglob("*.py") if path.parts[-2] != "relations")
FLAT = [path for path in MODULES if "diff" not in path.relative_to(ROOM).parts]
"""All but the comparison, whose own tables are no other room's."""
STAGES = [path for path in FLAT if "audit" not in path.relative_to(ROOM).parts]
"""The modules of a reconcile: an audit has a connection and tables of its own."""
HOLE = "\0"
"""What stands in the text of an f-string for a value."""
READ = re.compile(
    r"(?<!DISTINCT )\b(?:FROM|JOIN|INTO|UPDATE|EXISTS)\s+([A-Za-z_\0][\w\0]*(?:\.[\w\0]+)?)(?!\w*\()", re.IGNORECASE
)
DEFINED = re.compile(r"([A-Za-z_\0][\w\0]*)\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(", re.IGNORECASE)
MADE = re.compile(r"\b(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?(?:TEMP\s+)?(?:TABLE|VIEW)\b", re.IGNORECASE)


def relations() -> Iterator[Relation]:
    """Every declared relation."""
    for module in (inputs, evidence, implied, judge, diff, aggregates, upserts):
        for name, value in vars(module).items():
            if name.isupper():
                yield from (one for one in (value, *_values(value)) if isinstance(one, Relation))


def _values(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, Mapping) else ()


DECLARED = list(dict.fromkeys(relations()))


def texts(tree: ast.Module) -> Iterator[tuple[int, str, list[ast.expr]]]:
    """The texts of a module that are no docstrings, with a HOLE for each value in them, and those values."""
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.JoinedStr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            holes = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            text = "".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)
            yield node.lineno, text, holes
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | inside:
            yield node.lineno, node.value, []


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def registered(tree: ast.Module) -> set[str]:
    """The names that a module gives to Arrow tables while a statement reads them."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return {ast.literal_eval(call.args[0]) for call in calls if ast.unparse(call.func).endswith(".register")}


def viewed(tree: ast.Module) -> set[str]:
    """The names that a module gives to views of tables itself."""
    given = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "view"]
    return {node.value for node in given if isinstance(node, ast.Constant)}


def alike(name: str, pattern: str) -> bool:
    """Whether a name may be what a pattern with HOLEs stands for."""
    return re.fullmatch(re.escape(pattern).replace(HOLE, r"[\w\0]+"), name) is not None


def written_out(tree: ast.Module) -> list[str]:
    """The names in the place of a table that are neither values nor defined in the module's own SQL."""
    sql = [(line, re.sub(r"'[^'\0]*'", "''", text)) for line, text, _ in texts(tree) if re.search(r"[A-Z]{4}", text)]
    own = {name for _, text in sql for name in DEFINED.findall(text)} | registered(tree) | viewed(tree)
    return [
        f"{line}: {name.replace(HOLE, '{}')}"
        for line, text in sql
        for name in READ.findall(text)
        if set(name) != {HOLE} and not any(alike(name, other) or alike(other, name) for other in own)
    ]


@pytest.mark.parametrize("path", FLAT, ids=lambda path: str(path.relative_to(ROOM)))
def test_no_sql_names_a_relation_in_a_string(path: Path) -> None:
    assert written_out(tree(path)) == []


@pytest.mark.parametrize("path", STAGES, ids=lambda path: str(path.relative_to(ROOM)))
def test_only_relations_are_made(path: Path) -> None:
    assert [line for line, text, _ in texts(tree(path)) if MADE.search(text)] == []


def test_changes_in_place_are_those_of_the_writer() -> None:
    """UPDATE, DELETE and INSERT of a relation stand in the module that fills it."""
    changed = {
        (str(path.relative_to(ROOM)), name)
        for path in STAGES
        for name in re.findall(r"(?:UPDATE|DELETE FROM|INSERT INTO) \{(\w+)", path.read_text(encoding="utf-8"))
    }
    by_name = {name: value for module in (inputs, evidence, judge, aggregates) for name, value in vars(module).items()}
    by_name |= {"kept": judge.KEPT_REFUSALS}
    found = {name: by_name[name]["left"] if isinstance(by_name[name], dict) else by_name[name] for _, name in changed}
    assert changed == {(relation.writer, name) for name, relation in found.items()}
    assert len({relation.writer for relation in found.values()}) == 6


def test_names_are_told_apart_in_any_case() -> None:
    names = [relation.name.lower() for relation in DECLARED]
    assert len(names) > 60
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("relation", DECLARED, ids=str)
def test_each_says_what_it_is_and_who_writes_it(relation: Relation) -> None:
    assert (ROOM / relation.writer).is_file()
    assert relation.meaning
    assert relation.columns or relation.more


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('con.execute("SELECT id FROM evidence")', ["1: evidence"]),
        ('con.execute(f"SELECT {x} FROM {side}_records")', ["1: {}_records"]),
        ('con.execute(f"SELECT * FROM {a} SEMI JOIN several ON true")', ["1: several"]),
        ('con.execute(f"SELECT * FROM {EVIDENCE} e LEFT JOIN {notes} USING (id)")', []),
        ('con.execute(f"WITH several AS ({q}) SELECT a IS NOT DISTINCT FROM b FROM several")', []),
        ('con.execute(f"WITH {side}_honest AS ({q})"); con.execute("SELECT * FROM left_honest")', []),
        ('con.register("waiting", rows); con.execute("INSERT INTO x SELECT * FROM waiting")', ["1: x"]),
    ],
)
def test_a_name_that_is_written_out_is_found(source: str, found: list[str]) -> None:
    assert written_out(ast.parse(source)) == found


def test_a_relation_that_is_not_as_declared_is_found() -> None:
    con = duckdb.connect()
    relation = Relation("places", "store.py", "places", "id BIGINT, name VARCHAR", kind="TABLE")
    assert relation.fill(con, relation.nothing) == relation
    for query in ("SELECT 1::BIGINT AS id", "SELECT 1 AS id, '' AS name", "SELECT 1::BIGINT AS id, '' AS name, 0 AS x"):
        with pytest.raises(AssertionError, match="places"):
            relation.fill(con, query)


def test_a_second_writer_is_found() -> None:
    frame = sys._getframe()
    check_writer(judge.ATTRIBUTED, frame)
    other = compile("import sys; frame = sys._getframe()", str(ROOM / "store.py"), "exec")
    held: dict[str, Any] = {}
    exec(other, held)
    with pytest.raises(AssertionError, match=r"attributed is filled by .*store\.py"):
        check_writer(judge.ATTRIBUTED, held["frame"])
