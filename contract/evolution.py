"""Which changes of a contract a running checkpoint takes, and which it does not: a pure comparison of two contracts.

The state of the join holds the join columns in their widest type, the event time, coordinates and a packed payload that
carries its columns' names. So fields may come, go, widen and be renamed; what decides which rows are in that state, and
which come out of it, may not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from plumbline.contract.aggregate import row_columns
from plumbline.contract.fields import widens
from plumbline.contract.model import Contract, Source
from plumbline.contract.output_column import OutputColumn
from plumbline.contract.yaml_lines import Path

Retired = Mapping[str, Mapping[str, str]]
"""Source to the fields that it had once and has no more, with the type that each had last."""

EVOLVING = {
    "sources": {"fields", "aliases", "compute", "where", "event_time", "event_id", "reduce"},
    "join": {"on"},
    "output": {"columns", "batch_table", "mode"},
}
"""Keys that are compared by their meaning; every other key of these blocks is fixed."""

FIXED_IN_STREAM = ("state", "shuffle_partitions", "transform")
"""Keys of `stream` that are fixed; the others are tuning."""

EFFECTS_OF_FIXED = {
    "topic": "the checkpoint's offsets belong to the old topic",
    "format": "records read before and after would be decoded in two ways",
    "watermark": "Spark would apply it at once, and drop as late, or release from state, different events than before",
    "archive": "the archiver would continue in the middle, and the new archive would lack all earlier records",
    "archive_columns": "the archive would become that of another writer in the middle",
    "event_time_within": "the batch reference would judge all earlier events by the new bounds",
    "reduce": "windows in state hold the events of the old rule",
    "max_bytes": "the batch reference would judge all earlier events by the new bound",
    "kind": "Spark would continue with state kept for the other kind, and rows would be missing or written twice",
    "within": "Spark would continue with state kept for the old interval: rows released from it are silently missing",
    "left": "state is kept by the old side",
    "right": "state is kept by the old side",
    "aggregate": "windows in state hold the old values of the old groups",
    "key": "rows of the stream table would be compared by columns that they were not made for",
    "stream_table": "the new table would begin in the middle of the join",
    "partition_by": "a table keeps the partitions that it was made with",
    "state": "Spark would continue with the checkpoint's own, and silently ignore the contract",
    "shuffle_partitions": "Spark would continue with the checkpoint's own, and silently ignore the contract",
    "transform": "the batch reference would apply the new function to rows that the stream made by the old one",
}
"""Last part of a key to what would have happened."""


@dataclass(frozen=True)
class Change:
    """One change: where it stands in the contract as it is now, what it is, and what it means.

    `effect` of an accepted one is what follows for the rows; of a refused one, what would have happened silently.
    """

    path: Path
    what: str
    effect: str
    taken: bool = True

    def __str__(self) -> str:
        return f"{self.what}: {self.effect}"


@dataclass(frozen=True)
class Evolution:
    """All changes between two contracts, and the fields that are gone since the first one."""

    changes: tuple[Change, ...]
    retired: dict[str, dict[str, str]]

    @property
    def accepted(self) -> tuple[Change, ...]:
        """What a running checkpoint takes."""
        return tuple(change for change in self.changes if change.taken)

    @property
    def refused(self) -> tuple[Change, ...]:
        """What it does not take."""
        return tuple(change for change in self.changes if not change.taken)


def compare(was: Contract, now: Contract, retired: Retired | None = None) -> Evolution:
    """What changed from `was`, by which a checkpoint was made, to `now`. `retired`: fields of contracts before."""
    before = retired or {}
    if set(was.sources) != set(now.sources):
        what = f"sources was {list(was.sources)}, is now {list(now.sources)}"
        return Evolution((Change(("sources",), what, "the checkpoint knows its sources by name", taken=False),), {})
    fixed = (Change(path, what, effect, taken=False) for path, what, effect in _fixed_changes(was, now))
    changes = [*fixed]
    for name in now.sources:
        changes += _source_changes(was, now, name, before.get(name, {}))
    changes += [*_on_changes(was, now), *_output_changes(was, now), *_aggregate_changes(was, now)]
    return Evolution(tuple(changes), {name: _gone(was, now, name, before.get(name, {})) for name in now.sources})


def renames(was: Source, now: Source) -> dict[str, str]:
    """Earlier name to today's name of each field that was renamed by `aliases`."""
    return {
        old: new
        for new, earlier in now.aliases.items()
        for old in earlier
        if old in was.fields and old not in now.fields and new not in was.fields
    }


def _gone(was: Contract, now: Contract, name: str, retired: Mapping[str, str]) -> dict[str, str]:
    held = {**retired, **was.sources[name].fields}
    return {field: kind for field, kind in held.items() if field not in now.sources[name].fields}


def _source_changes(was: Contract, now: Contract, name: str, retired: Mapping[str, str]) -> Iterator[Change]:
    old, new = was.sources[name], now.sources[name]
    renamed = renames(old, new)
    path: Path = ("sources", name)
    keys = {*now.key_columns(name), new.event_id}
    for field, kind in new.fields.items():
        yield from _field_change((*path, "fields", field), old, new, field, kind, retired)
        before = _earlier(old, new, field)
        if field in keys and before and before != kind and (before, kind) != ("int", "long"):
            what = f"{name}.{field} was {before}, is now {kind}, and is matched by"
            yield Change((*path, "fields", field), what, "values in state would no longer equal new ones", taken=False)
    for field in old.fields:
        if field not in new.fields and field not in renamed:
            yield Change((*path, "fields"), f"field {name}.{field} is gone", "it is no longer read")
    yield from _order_change((*path, "fields"), list(old.fields), list(new.fields))
    yield from _alias_changes((*path, "aliases"), old, new)
    for part in ("event_time", "event_id"):
        before, after = getattr(old, part), getattr(new, part)
        if renamed.get(before, before) != after:
            yield Change((*path, part), _was((*path, part), before, after), _EFFECTS[part], taken=False)
    if old.reduce != new.reduce:
        place = (*path, "reduce")
        yield Change(place, _was(place, _said(old), _said(new)), EFFECTS_OF_FIXED["reduce"], taken=False)
    if _sql(old.where, renamed) != _sql(new.where):
        yield Change((*path, "where"), _was((*path, "where"), old.where, new.where), _EFFECTS["where"], taken=False)
    yield from _compute_changes((*path, "compute"), old, new, renamed)


def _earlier(old: Source, new: Source, field: str) -> str | None:
    """The type of a field before, under its own name or the one that it had."""
    names = (field, *new.aliases.get(field, ()))
    return next((old.fields[name] for name in names if name in old.fields), None)


def _field_change(
    path: Path, old: Source, new: Source, field: str, kind: str, retired: Mapping[str, str]
) -> Iterator[Change]:
    called = f"{path[1]}.{field}"
    before = _earlier(old, new, field)
    if before is None:
        once = retired.get(field, kind)
        if once == kind or widens(once, kind):
            yield Change(path, f"field {called} ({kind}) is new", "null in events that are in state")
        else:
            what = f"field {called} comes back as {kind}, it was {once}"
            yield Change(path, what, "its values in state cannot be read in the new type", taken=False)
        return
    if field not in old.fields:
        earlier = next(name for name in new.aliases[field] if name in old.fields)
        yield Change(path, f"field {path[1]}.{earlier} is now called {field}", "read under both names")
    if before == kind:
        return
    if widens(before, kind):
        exact = "values kept before have single precision" if kind == "double" else "all values stay what they are"
        yield Change(path, f"field {called} is widened from {before} to {kind}", exact)
    else:
        what = _was(path, before, kind)
        yield Change(path, what, "values in state and tables cannot be read in the new type", taken=False)


def _alias_changes(path: Path, old: Source, new: Source) -> Iterator[Change]:
    known = {name for names in new.aliases.values() for name in names}
    for field, names in old.aliases.items():
        for name in names:
            if field in new.fields and name not in new.aliases.get(field, ()):
                what = f"{field} is no longer read under its earlier name {name}"
                yield Change(path, what, "its values in state and in the archive would turn into null", taken=False)
            known.discard(name)
    fresh = known - set(renames(old, new))
    for field, names in new.aliases.items():
        for name in (name for name in names if name in fresh):
            kind, held = new.fields[field], old.fields.get(name)
            if held is None or held == kind or widens(held, kind):
                yield Change(
                    (*path, field), f"{path[1]}.{field} is also read under the name {name}", "where it is null"
                )
            else:
                what = f"{path[1]}.{field} ({kind}) takes in {name}, which was {held}"
                yield Change((*path, field), what, "values in state cannot be read in the new type", taken=False)


def _order_change(path: Path, before: list[str], after: list[str]) -> Iterator[Change]:
    """Names that are on both sides must stand in one order: whoever reads by position takes one for the other."""
    common = [name for name in before if name in after]
    if common != [name for name in after if name in common]:
        yield Change(path, _was(path, before, after), _EFFECTS["order"], taken=False)


def _compute_changes(path: Path, old: Source, new: Source, renamed: Mapping[str, str]) -> Iterator[Change]:
    for name in {**old.compute, **new.compute}:
        before, after = _sql(old.compute.get(name), renamed), _sql(new.compute.get(name))
        if before is None:
            yield Change((*path, name), f"computed column {path[1]}.{name} is new", "null in events that are in state")
        elif after is None:
            yield Change(path, f"computed column {path[1]}.{name} is gone", "it is no longer computed")
        elif before != after:
            place = (*path, name)
            what = _was(place, old.compute[name], new.compute[name])
            yield Change(place, what, "events in state keep the value of the old expression", taken=False)


def _on_changes(was: Contract, now: Contract) -> Iterator[Change]:
    left, right = (renames(was.sources[s], now.sources[s]) for s in (was.join.left, was.join.right))
    before = [(left.get(a, a), right.get(b, b)) for a, b in was.join.pairs]
    if before != list(now.join.pairs):
        path = ("join", "on")
        yield Change(path, _was(path, was.join.on, now.join.on), _EFFECTS["on"], taken=False)


def _output_changes(was: Contract, now: Contract) -> Iterator[Change]:
    path: Path = ("output", "columns")
    if was.output.batch_table != now.output.batch_table:
        place = ("output", "batch_table")
        yield Change(place, _was(place, was.output.batch_table, now.output.batch_table), "the batch begins a new table")
    if was.output.aggregate is not None or now.output.aggregate is not None:
        return  # fixed as a whole
    renamed = {name: renames(was.sources[name], now.sources[name]) for name in now.sources}
    before = {c.name: _origin(c, renamed) for c in was.output_columns}
    after = {c.name: _origin(c, {}) for c in now.output_columns}
    for name, origin in after.items():
        if name not in before:
            effect = "last in both tables; null in rows written before and in rows of events that are in state"
            yield Change(path, f"output column {name} is new", effect)
        elif origin != before[name]:
            what = f"output column {name} was {before[name]}, is now {origin}"
            yield Change(path, what, "rows of two meanings in one column", taken=False)
    for name in before:
        if name not in after:
            yield Change(path, f"output column {name} is gone", "it stays in both tables, null in new rows")
    yield from _order_change(path, list(before), list(after))


def _aggregate_changes(was: Contract, now: Contract) -> Iterator[Change]:
    """Fields of another type below an aggregate: its state has the types of its values, and is not packed."""
    if was.output.aggregate is None or now.output.aggregate is None:
        return
    computed = [sql for source in now.sources.values() for sql in source.compute.values()]
    taken = " ".join([sql for sql, _ in row_columns(now.output.aggregate).values()] + computed)
    words = set(re.findall(r"\w+", taken))
    for name, source in now.sources.items():
        for field in words.intersection(source.fields):
            before, kind = _earlier(was.sources[name], source, field), source.fields[field]
            if before is not None and widens(before, kind):
                what = f"{name}.{field} was {before}, is now {kind}, and the aggregate is made from it"
                yield Change(
                    ("sources", name, "fields", field), what, "windows in state have the old type", taken=False
                )


def _origin(column: OutputColumn, renamed: Mapping[str, Mapping[str, str]]) -> str:
    """A column's SQL in one spelling, with today's names of the fields."""
    plain = column.expression.replace("`", "")
    return re.sub(_TOKENS_OF_SOURCES, partial(_renamed_of_source, renamed), plain)


def _renamed_of_source(renamed: Mapping[str, Mapping[str, str]], token: re.Match[str]) -> str:
    source, field = token["source"], token["field"]
    return token[0] if source is None else f"{source}.{renamed.get(source, {}).get(field, field)}"


def _sql(sql: str | None, renamed: Mapping[str, str] | None = None) -> str | None:
    """SQL over one source's fields in one spelling, with today's names."""
    if sql is None:
        return None
    names = renamed or {}
    return re.sub(_TOKENS, lambda token: names.get(token[0], token[0]), sql.replace("`", ""))


def _fixed_changes(was: Contract, now: Contract) -> Iterator[tuple[Path, str, str]]:
    """`(path, what changed, what would have happened)` of each fixed key. Both contracts have sources of one name."""
    before, after = was.model_dump(mode="json"), now.model_dump(mode="json")
    for name in now.sources:
        yield from _changed_keys(
            ("sources", name), before["sources"][name], after["sources"][name], EVOLVING["sources"]
        )
    for block in ("join", "output"):
        yield from _changed_keys((block,), before[block], after[block], EVOLVING[block])
    if was.output.mode != now.output.mode:
        what = f"output.mode was {was.output.mode!r}, is now {now.output.mode!r}"
        yield ("output", "mode"), what, "one table would hold all rows of some keys and the newest of others"
    tuning = set(before["stream"]) - set(FIXED_IN_STREAM)
    yield from _changed_keys(("stream",), before["stream"], after["stream"], tuning)


def _changed_keys(
    path: Path, before: dict[str, Any], after: dict[str, Any], free: set[str]
) -> Iterator[tuple[Path, str, str]]:
    for key in after:
        if key not in free and before.get(key) != after[key]:
            place = (*path, key)
            what = f"{'.'.join(map(str, place))} was {before.get(key)!r}, is now {after[key]!r}"
            yield place, what, EFFECTS_OF_FIXED.get(key, "the checkpoint was made for the old one")


def _said(source: Source) -> Any:
    return source.reduce and source.reduce.model_dump(mode="json")


def _was(path: Path, before: object, after: object) -> str:
    return f"{'.'.join(map(str, path))} was {before!r}, is now {after!r}"


_TOKENS = r"'[^']*'|\w+"
_TOKENS_OF_SOURCES = r"'[^']*'|(?P<source>\w+)\.(?P<field>\w+)"
_EFFECTS = {
    "order": "who reads by position, as Spark reads state, takes columns of one type for one another",
    "on": "Spark would compare the columns in state by position, and nothing in state would find its partner",
    "event_time": "Spark would continue with state, watermark and rows that are timed by the old field",
    "event_id": "Spark would continue with state that was not deduplicated, or in another way",
    "where": "state holds events selected by the old condition; the batch reference would apply the new one to all",
}
