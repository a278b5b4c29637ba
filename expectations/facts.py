"""What a pinned table's rows say about each rule: counts, mostly from one pass of DuckDB, and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from plumbline.connect.sql_quoting import ident
from plumbline.expectations.rules import UNIQUE, Rule
from plumbline.expectations.types import in_family

if TYPE_CHECKING:
    import duckdb

SAMPLE = 5


@dataclass(frozen=True)
class Fact:
    """What was seen for one rule.

    `unexpected` counts rows (groups, for a rule that forbids groups); `nulls` the rows whose first column is null.
    `sample` holds up to SAMPLE unexpected rows: the columns that name a row, and the rule's. `obstacle` says why the
    rule could not be looked at; then the counts are 0.
    """

    rows: int
    nulls: int = 0
    unexpected: int = 0
    observed: Any = None
    sample: tuple[dict[str, Any], ...] = ()
    obstacle: str | None = None


def gather(
    con: duckdb.DuckDBPyConnection, view: str, rules: Sequence[Rule], types: Mapping[str, str], key: Sequence[str]
) -> list[Fact]:
    """One Fact for each rule, about the rows of `view`; `types` are its columns' Iceberg types, `key` names a row."""
    rules = [_of_type(rule, types) for rule in rules]
    obstacles = [obstacle(rule, types) for rule in rules]
    open_rules = [rule for rule, reason in zip(rules, obstacles, strict=True) if reason is None]
    seen = iter(_one_pass(con, view, open_rules))
    rows = next(seen)
    facts = []
    for rule, reason in zip(rules, obstacles, strict=True):
        if reason is not None:
            facts.append(Fact(rows, obstacle=reason))
            continue
        nulls, unexpected, observed = next(seen), next(seen), next(seen)
        if rule.groups:
            unexpected = _grouped(con, view, rule)
        sample = _sample(con, view, rule, types, key) if unexpected else ()
        facts.append(Fact(rows, nulls, unexpected, observed, sample))
    return facts


def obstacle(rule: Rule, types: Mapping[str, str]) -> str | None:
    """Why the rule cannot be looked at in a table of these columns; None when it can."""
    missing = [name for name in rule.reads if name not in types]
    if missing:
        return f"the table has no column {', '.join(missing)}"
    other = [name for name in rule.columns if rule.family and not in_family(types[name], rule.family)]
    return f"{other[0]} is a {types[other[0]]}; the rule needs a {rule.family} column" if other else None


def _of_type(rule: Rule, types: Mapping[str, str]) -> Rule:
    """The rule with its predicate in words of the column's type. One that cannot be looked at has none."""
    if not callable(rule.broken):
        return rule
    return replace(rule, broken=None if obstacle(rule, types) else rule.broken(types[rule.columns[0]]))


def _one_pass(con: duckdb.DuckDBPyConnection, view: str, rules: Sequence[Rule]) -> list[Any]:
    """Row count, then for each rule: nulls of its first column, unexpected rows, what is observed."""
    wanted = ["count(*)"]
    for rule in rules:
        wanted.append(f"count(*) - count({ident(rule.columns[0])})" if rule.columns else "0")
        wanted.append(f"count(*) FILTER (WHERE {rule.broken})" if rule.broken and not rule.groups else "0")
        wanted.append(rule.observed or "NULL")
    [row] = con.execute(f"SELECT {', '.join(wanted)} FROM {ident(view)}").fetchall()
    return list(row)


def _grouped(con: duckdb.DuckDBPyConnection, view: str, rule: Rule) -> int:
    """Rows in the broken groups for a uniqueness rule, else the broken groups themselves."""
    names = ", ".join(ident(name) for name in rule.groups)
    counted = "coalesce(sum(n), 0)" if rule.kind == UNIQUE else "count(*)"
    statement = f"""
        SELECT {counted}
        FROM (SELECT count(*) AS n FROM {ident(view)} GROUP BY {names} HAVING {rule.broken})
    """
    [(count,)] = con.execute(statement).fetchall()
    return int(count)


def _sample(
    con: duckdb.DuckDBPyConnection, view: str, rule: Rule, types: Mapping[str, str], key: Sequence[str]
) -> tuple[dict[str, Any], ...]:
    wanted = dict.fromkeys((*key, *rule.columns))
    names = [name for name in wanted if name in types]
    selected = ", ".join(ident(name) for name in names)
    rows = f"SELECT {selected} FROM {ident(view)} WHERE {rule.broken}"
    if rule.groups:
        # One whole row of each group: its least, so that two runs show the same.
        packed = ", ".join(f"{ident(name)} := {ident(name)}" for name in names)
        by = ", ".join(ident(name) for name in rule.groups)
        least = f"SELECT min(struct_pack({packed})) AS row FROM {ident(view)} GROUP BY {by} HAVING {rule.broken}"
        rows = f"SELECT unnest(row) FROM ({least})"
    # By way of Arrow: DuckDB's own fetch of a timestamptz needs pytz.
    reader: Any = con.sql(f"SELECT * FROM ({rows}) ORDER BY ALL LIMIT {SAMPLE}").to_arrow_reader()
    return tuple(reader.read_all().to_pylist())
