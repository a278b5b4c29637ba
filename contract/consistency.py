"""Rules between the parts of a contract: names that must exist, columns that must not clash."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from plumbline.contract import formats
from plumbline.contract.expected_values import misfit
from plumbline.contract.fields import value_type
from plumbline.contract.findings import LIMITED
from plumbline.contract.lineage import CORRUPT, LINEAGE, RESERVED
from plumbline.contract.on import placed
from plumbline.contract.output_column import OutputColumn
from plumbline.contract.yaml_lines import Path

if TYPE_CHECKING:
    from plumbline.contract.model import Contract, Source


class PartError(ValueError):
    """A part that does not fit the others; `path` leads to it in the file, from the block that found it."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


def check_parts(contract: Contract) -> None:
    """Raise PartError at the first part that does not fit the others."""
    _names_are_free(contract)
    _join_names_the_sources(contract)
    _tables_differ(contract)
    for name, source in contract.sources.items():
        if formats.of(source).registry and not contract.schema_registry:
            raise PartError(("sources", name, "format"), "avro needs the registry of its schemas; add schema_registry")
        _refuse_base64(("sources", name, "fields"), source)
    names, values = _names(contract)
    for name in contract.reconcile.tolerances:
        if name not in values:
            known = f"no compared output column {name!r}"
            raise PartError(("reconcile", "tolerances", name), unknown(known, name, values))
    for name in contract.reconcile.fail_when:
        if name not in LIMITED:
            known = f"{name!r} is neither a cause nor a class"
            raise PartError(("reconcile", "fail_when", name), unknown(known, name, LIMITED))
    for part in ("between", "in_set", "not_null"):
        for i, name in enumerate(getattr(contract.expectations, part)):
            if name not in names:
                path = ("expectations", part, i if part == "not_null" else name)
                raise PartError(path, unknown(f"no output column {name!r}", name, names))
    wrong = misfit(contract) if contract.output.aggregate is None else None
    if wrong:
        raise PartError(("expectations", *wrong[0]), wrong[1])


def _refuse_base64(path: tuple[str | int, ...], source: Source) -> None:
    """Avro says itself of its bytes that they are a decimal, and of which scale."""
    for field, kind in source.fields.items():
        if formats.of(source).registry and kind.startswith("decimal_base64"):
            step = f"write {value_type(kind)}"
            raise PartError((*path, field), f"{kind} is for decimals in JSON; {step}, which is read from Avro's bytes")


def _names(contract: Contract) -> tuple[list[str], set[str]]:
    """All columns of the output, and those that are compared."""
    if contract.output.aggregate is not None:
        return list(contract.output.aggregate.columns), set(contract.output.aggregate.values)
    names = [column.name for column in resolve_columns(contract)]
    return names, set(names) - set(contract.output.key)


def resolve_columns(contract: Contract) -> tuple[OutputColumn, ...]:
    """The output's columns with their origin: key columns first. Raises PartError naming what is unknown."""
    columns: dict[str, OutputColumn] = {}
    for i, item in enumerate(contract.output.columns):
        for column in _spelled(contract, item, i):
            refuse_lineage(("output", "columns", i), column.name)
            if column.name.lower() in map(str.lower, columns):
                message = f"{column.name!r} is named twice; rename one as {{new_name: source.field}}"
                raise PartError(("output", "columns", i), message)
            columns[column.name] = column
    keys = []
    for i, name in enumerate(contract.output.key):
        if name in contract.output.key[:i]:
            raise PartError(("output", "key", i), f"{name!r} is named twice; keep one")
        if name not in columns and name not in contract.left.columns:
            known = [*columns, *contract.left.columns]
            message = f"{name!r} is neither an output column nor a field of {contract.join.left}"
            raise PartError(("output", "key", i), unknown(message, name, known))
        found = columns.pop(name) if name in columns else None
        keys.append(_from_either(contract, found or OutputColumn(name=name, source=contract.join.left, field=name)))
    return (*keys, *columns.values())


def _from_either(contract: Contract, column: OutputColumn) -> OutputColumn:
    """A join column in the output's key must have a value in every row: of the side that is there."""
    if contract.join.keeps_right:
        for a, b in contract.join.pairs:
            sides = f"{contract.join.left}.`{a}`", f"{contract.join.right}.`{b}`"
            if column.expression in sides:
                other = sides[1 - sides.index(column.expression)]
                return column.model_copy(update={"sql": f"coalesce({column.expression}, {other})"})
    return column


def _spelled(contract: Contract, item: str | dict[str, str], index: int) -> Iterable[OutputColumn]:
    if isinstance(item, dict):
        for name, sql in item.items():
            source, _, field = sql.partition(".")
            if source in contract.sources and field in contract.sources[source].columns:
                yield OutputColumn(name=name, source=source, field=field)
            else:
                yield OutputColumn(name=name, sql=sql)
        return
    path = ("output", "columns", index)
    source, dot, field = item.partition(".")
    if not dot or source not in contract.sources:
        raise PartError(path, f"{item!r}: {unknown('write it as source.field', source, contract.sources)}")
    known = contract.sources[source].columns
    if field not in known:
        raise PartError(path, f"{item!r}: {unknown(f'{source} has no field {field!r}', field, known)}")
    yield OutputColumn(name=field, source=source, field=field)


def _names_are_free(contract: Contract) -> None:
    """Spark takes `Id` and `id` for one column: names of a source, and the sources themselves, differ in more."""
    _refuse_alike(("sources",), contract.sources)
    for source, spec in contract.sources.items():
        for part in ("fields", "compute"):
            for name in getattr(spec, part):
                _refuse_reserved(("sources", source, part, name), name)
        _refuse_alike(("sources", source, "fields"), spec.fields)
        _check_aliases(("sources", source, "aliases"), spec)
        for name in spec.compute:
            if name.lower() in map(str.lower, spec.fields):
                raise PartError(
                    ("sources", source, "compute", name), f"{name!r} is the name of a field; choose another"
                )
        _refuse_alike(("sources", source, "compute"), spec.compute)


def _check_aliases(path: tuple[str | int, ...], spec: Source) -> None:
    """An earlier name belongs to a known field and is not another field's name, current or earlier."""
    taken = {name.lower(): f"field {name!r}" for name in spec.fields}
    for field, names in spec.aliases.items():
        if field not in spec.fields:
            raise PartError((*path, field), unknown(f"no field {field!r}", field, spec.fields))
        for i, name in enumerate(names):
            if name.lower() == CORRUPT:
                raise PartError((*path, field, i), f"{name!r} is a name that the jobs use; such a field cannot be read")
            if name.lower() in taken:
                raise PartError((*path, field, i), f"{name!r} already is {taken[name.lower()]}; name it once")
            taken[name.lower()] = f"an earlier name of {field!r}"


def _refuse_reserved(path: tuple[str | int, ...], name: str) -> None:
    if name.lower() in RESERVED:
        raise PartError(path, f"{name!r} is a name that the jobs use; choose another and name this one in aliases")


def _refuse_alike(path: tuple[str | int, ...], names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise PartError((*path, name), f"{name!r} differs from {seen[name.lower()]!r} in case only; rename one")
        seen[name.lower()] = name


def refuse_lineage(path: tuple[str | int, ...], name: str) -> None:
    if name.lower() in LINEAGE:
        raise PartError(path, f"{name!r} is a lineage column's name; choose another")


def _join_names_the_sources(contract: Contract) -> None:
    join = contract.join
    for part, side in (("left", join.left), ("right", join.right)):
        if side not in contract.sources:
            raise PartError(("join", part), unknown(f"no source {side!r}", side, contract.sources))
    if join.left == join.right:
        raise PartError(("join", "right"), f"left and right are both {join.left!r}; a join needs two sources")
    for below, (left_field, right_field) in placed(join.on):
        path = ("join", "on", *below)
        for side, field in ((join.left, left_field), (join.right, right_field)):
            known = contract.sources[side].columns
            if field not in known:
                raise PartError(path, unknown(f"{side} has no field {field!r}", field, known))
        _types_agree(contract, path, left_field, right_field)


def _types_agree(contract: Contract, path: tuple[str | int, ...], left_field: str, right_field: str) -> None:
    """Spark compares a string with a number by casting, and what does not cast matches nothing, without a word."""
    left, right = contract.left.fields.get(left_field), contract.right.fields.get(right_field)
    whole = {"int", "long"}
    if left and right and value_type(left) != value_type(right) and not {left, right} <= whole:
        left_name, right_name = f"{contract.join.left}.{left_field}", f"{contract.join.right}.{right_field}"
        raise PartError(path, f"{left_name} is a {left}, {right_name} a {right}; join fields of one type")


def _tables_differ(contract: Contract) -> None:
    named: dict[str, tuple[str | int, ...]] = {}
    purposes: list[tuple[tuple[str | int, ...], str]] = [
        *((("sources", name, "archive"), source.archive) for name, source in contract.sources.items()),
        (("output", "stream_table"), contract.output.stream_table),
        (("output", "batch_table"), contract.output.batch_table),
    ]
    reduced = any(source.reduce is not None for source in contract.sources.values())
    if contract.output.aggregate is not None or contract.output.is_upsert or reduced:
        purposes.insert(0, (("output", "batch_table"), f"{contract.output.batch_table}_rows"))
    for path, table in purposes:
        if table in named:
            raise PartError(path, f"table {table!r} is already {'.'.join(map(str, named[table]))}; give each its own")
        if table.count(".") > 1 and (contract.catalog or {}).get("type") != "rest":
            step = "write it as namespace.table; only a catalog of type rest has namespaces in namespaces"
            raise PartError(path, f"table {table!r} has {table.count('.') + 1} parts; {step}")
        if table.startswith("plumbline."):
            raise PartError(path, f"table {table!r}: the namespace plumbline is kept for Plumbline's own tables")
        named[table] = path


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f"{what}; did you mean {near[0]!r}?" if near else f"{what} (known: {', '.join(sorted(set(known)))})"


def beside_plain_rows(contract: Contract) -> Iterator[Path]:
    """Where the contract asks for more than rows that both jobs append, one for each pair of events."""
    asked: dict[Path, bool] = {
        ("output", "aggregate"): contract.output.aggregate is not None,
        ("output", "mode"): contract.output.is_upsert,
        ("output", "event_time"): contract.output.event_time is not None,
        ("stream", "transform"): contract.stream.transform is not None,
        ("batch",): contract.batch is not None,
        ("job",): contract.job is not None,
        ("expectations",): contract.expectations != type(contract.expectations)(),
    }
    archives = {("sources", n, "archive_columns"): s.archive_columns is not None for n, s in contract.sources.items()}
    return (path for path, given in (asked | archives).items() if given)
