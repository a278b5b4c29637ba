"""The line that a user asks about: its window, and SQL that finds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.aggregate import WINDOW_START, whole_windows
from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import TimeRange, parse_time, spell_time
from plumbline.reconcile.explain.keys import Key, read_key
from plumbline.reconcile.relations.aggregates import BATCH_LINES, ROWS_BELOW

if TYPE_CHECKING:
    from plumbline.contract.model import Contract
    from plumbline.reconcile.aggregates.views import Opened


@dataclass(frozen=True)
class Asked:
    """`key`: column to value as text, None for NULL; the start of the window as documents spell it."""

    window: TimeRange
    key: dict[str, str | None]

    def condition(self, inputs: Opened) -> str:
        """SQL over the key columns. Raises UsageError for a value that its column cannot hold."""
        found = [self.window.sql(WINDOW_START)]
        for name, value in self.key.items():
            if name == WINDOW_START:
                continue
            typed = f"TRY_CAST({text(value)} AS {inputs.kinds[name]})" if value is not None else "NULL"
            [(fits,)] = inputs.pins.con.execute(f"SELECT {typed} IS NOT NULL").fetchall()
            if value is not None and not fits:
                kind = inputs.kinds[name].lower()
                raise UsageError(f"key {name}: {value!r} is not a {kind}", next_step="give it in that type")
            found.append(f"{ident(name)} IS NOT DISTINCT FROM {typed}")
        return " AND ".join(found)


def asked_for(contract: Contract, key: Key) -> Asked:
    """Read a key. Raises UsageError for missing or unknown columns, and for a moment that starts no window."""
    wanted = read_key(contract, key)
    began = wanted[WINDOW_START]
    if began is None:
        raise UsageError(f"{WINDOW_START} is never NULL", next_step="give the start of the window")
    moment = parse_time(began, WINDOW_START)
    window = whole_windows(contract, TimeRange(moment, moment + timedelta(microseconds=1)))
    assert window.start is not None
    start = spell_time(window.start)
    if window.start != moment:
        raise UsageError(
            f"no window starts at {spell_time(moment)}", next_step=f"the one that holds this moment starts at {start}"
        )
    return Asked(window, {**wanted, WINDOW_START: start})


def unknown(inputs: Opened, asked: Asked) -> UsageError:
    """The error for a line that neither table has, nor a row: with the nearest group of its window."""
    groups = [name for name in inputs.aggregate.key if name != WINDOW_START]
    spelled = "concat_ws(',', " + ", ".join(f"coalesce(CAST({ident(one)} AS VARCHAR), '')" for one in groups) + ")"
    near: Any = None
    if groups:
        wanted = text(",".join(asked.key[name] or "" for name in groups))
        near = inputs.pins.con.execute(
            f"""
            SELECT spelled FROM (
                SELECT DISTINCT {spelled} AS spelled
                FROM (SELECT {inputs.keys} FROM {BATCH_LINES} UNION ALL SELECT {inputs.keys} FROM {ROWS_BELOW})
            ) ORDER BY jaro_winkler_similarity(spelled, {wanted}) DESC, spelled LIMIT 1
            """
        ).fetchone()
    start, output = asked.key[WINDOW_START], inputs.pins.contract.output
    return UsageError(
        f"no line and no joined row has the key {', '.join(f'{name} {value}' for name, value in asked.key.items())}",
        where=f"{output.batch_table}, {output.stream_table}",
        next_step=f"did you mean {f'{start},{near[0]}'!r}?" if near else "the window has no line: give another one",
    )
