"""The commands that a report shows, ready to copy: values are quoted so that a shell takes them as they are. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import combining

from plumbline.contract.ranges import TimeRange, spell_time
from plumbline.contract.safe_text import escape, is_unsafe, shown


@dataclass(frozen=True)
class Commands:
    """Commands on one contract, named by `path` as the user does; `home` is ` --home DIR` or nothing."""

    path: str = "CONTRACT"
    home: str = ""

    @property
    def contract(self) -> str:
        return word(self.path) + self.home

    def reconcile(self, time_range: TimeRange) -> str:
        return f"plumbline reconcile {self.contract}{options(time_range)}"

    def batch(self, time_range: TimeRange) -> str:
        return f"plumbline batch run {self.contract}{options(time_range)}"

    def replay(self, time_range: TimeRange) -> tuple[str, ...]:
        """Plan, run, audit and publish of one range, and the look at it afterwards."""
        steps = ("run latest{} --execute", "audit latest{}", "publish latest{} --execute")
        return (
            f"plumbline replay plan {self.contract}{options(time_range)}",
            *(f"plumbline replay {step.format(self.home)}" for step in steps),
            self.reconcile(time_range),
        )

    def replay_all(self, run_id: str) -> tuple[str, ...]:
        """Plan and finish of every range that a recorded run found drifted."""
        return (
            f"plumbline replay plan {self.contract} --from-drift {word(run_id)}",
            f"plumbline replay finish latest{self.home} --execute",
        )

    def fill(self) -> tuple[str, ...]:
        """Look at what the archives lack and the topics still hold, then archive it."""
        return (f"plumbline archive fill {self.contract}", f"plumbline archive fill {self.contract} --execute")

    def archive(self) -> tuple[str, ...]:
        """Archive what the topics hold and the archives lack: the holes, then what lies behind them."""
        return (self.fill()[1], f"plumbline stream run {self.contract} --once")

    def observe(self) -> str:
        """Copy the epochs of a job of the user's own into the ledger."""
        return f"plumbline observe {self.contract} --once"

    def quarantine(self) -> str:
        return f"plumbline quarantine {self.contract}"

    def explain(self, key: Sequence[tuple[str, str | None]]) -> str:
        """The story of one key, given as (column, value); None is NULL, which no text of a value is."""
        parts = [f"--null {word(name)}" if value is None else f"--key {word(f'{name}={value}')}" for name, value in key]
        alone = key[0][1] if len(key) == 1 else None
        if alone is not None and not alone.startswith("-"):
            parts = [word(alone)]
        return f"plumbline explain {' '.join(parts)} --contract {self.contract}"

    def report(self, run_ids: Sequence[str], page: str = "") -> str:
        """The page of these runs, written to the file `page` when that is known."""
        runs = "".join(f" --run {word(run_id)}" for run_id in run_ids)
        return f"plumbline report {self.contract}{runs}{f' --out {word(page)}' if page else ''}"


def pieces(line: str) -> list[str]:
    """The words of a command as they stay together on a narrow page: an option and its value are one."""
    found: list[str] = []
    for part in line.split(" "):
        opens = bool(found) and found[-1].startswith("--") and " " not in found[-1]
        if opens and not part.startswith("-"):
            found[-1] += " " + part
        else:
            found.append(part)
    return found


def options(time_range: TimeRange) -> str:
    """` --from … --to …`; nothing for an open end."""
    ends = (("--from", time_range.start), ("--to", time_range.end))
    return "".join(f" {option} {spell_time(end)}" for option, end in ends if end)


def word(text: str) -> str:
    """`text` as one word of a shell. What a reader could not see is spelled within `$'…'`, so that the line that is
    read is the line that is copied."""
    if shown(text) == text:
        return shlex.quote(text)
    spelled = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(escape(char) if is_unsafe(char) or combining(char) else char for char in spelled) + "'"
