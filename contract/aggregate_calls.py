"""The values of an aggregate as a contract spells them: `count(*)`, `sum(plays.seconds) where plays.paid`, quotients.

Pure: what stands inside the brackets and behind `where` is SQL, which Spark judges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from plumbline.contract.errors import UsageError

FUNCTIONS = ("count", "sum", "min", "max", "avg", "count_distinct")
FORM = "write count(*) or FUNCTION(source.field), with `where CONDITION` behind it, or a quotient of two of them"
BRACKETS = "put the filtered part of a quotient in brackets: (count(*) where CONDITION) / count(*)"

_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\(")
_WHERE = re.compile(r"\s*where\b(.*)\Z", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`", re.DOTALL)
_INSIDE = re.compile(rf"\b({'|'.join(FUNCTIONS)})\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One aggregate function. `of`: SQL over one joined row, None for `*`; `where`: the rows that count, None: all."""

    function: str
    of: str | None
    where: str | None = None


def parse_value(text: str) -> tuple[Call, ...]:
    """The call that `text` spells, or the two of a quotient. Raises UsageError that shows the right form."""
    first, rest = _part(text)
    if not rest.strip():
        return (first,)
    slash, _, behind = rest.partition("/")
    if slash.strip() or not behind.strip():
        raise UsageError(f"{text!r}: {rest.strip()!r} is not expected there", next_step=FORM)
    second, rest = _part(behind)
    if rest.strip():
        raise UsageError(f"{text!r}: {rest.strip()!r} is not expected behind a quotient", next_step=FORM)
    return first, second


def _part(text: str) -> tuple[Call, str]:
    """The first call of `text`, in brackets or not, and what follows it."""
    if text.lstrip().startswith("("):
        inside, rest = _bracketed(text, text.index("("))
        call, more = _part(inside)
        if more.strip():
            raise UsageError(f"{text.strip()!r}: brackets hold one function here", next_step=FORM)
        return call, rest
    found = _CALL.match(text)
    if found is None:
        raise UsageError(f"{text.strip()!r} is no aggregate", next_step=FORM)
    function = found[1].lower()
    if function not in FUNCTIONS:
        raise UsageError(f"{found[1]!r} is not among the functions", next_step=f"known: {', '.join(FUNCTIONS)}")
    inside, rest = _bracketed(text, found.end() - 1)
    filtered = _WHERE.match(rest)
    condition = filtered[1].strip() if filtered else None
    call = Call(function, None if inside.strip() == "*" else inside.strip(), condition)
    _refuse_unfit(call, text.strip())
    return call, "" if filtered else rest


def _refuse_unfit(call: Call, text: str) -> None:
    """Raise UsageError for a call without what it counts, or with another one inside."""
    if call.of is None and call.function != "count":
        raise UsageError(f"{text!r}: only count takes *", next_step=f"name a field: {call.function}(source.field)")
    if call.of == "" or call.where == "":
        part = "brackets" if call.of == "" else "condition"
        raise UsageError(f"{text!r}: the {part} of {call.function} {'is' if call.where == '' else 'are'} empty")
    if call.of is not None and re.match(r"distinct\b", call.of, re.IGNORECASE):
        raise UsageError(f"{text!r}: distinct values have a function of their own", next_step="write count_distinct(…)")
    if call.of is not None and _INSIDE.search(_QUOTED.sub("''", call.of)):
        raise UsageError(f"{text!r}: an aggregate inside an aggregate", next_step=FORM)
    if call.where is not None and _INSIDE.search(_QUOTED.sub("''", call.where)):
        raise UsageError(f"{text!r}: a condition is about one row, and this one has an aggregate", next_step=BRACKETS)


def _bracketed(text: str, start: int) -> tuple[str, str]:
    """What stands between the bracket at `start` and the one that closes it, and what follows. Quoted ones are text."""
    blank = _QUOTED.sub(lambda quoted: "." * len(quoted[0]), text)
    depth = 0
    for place in range(start, len(blank)):
        depth += {"(": 1, ")": -1}.get(blank[place], 0)
        if depth == 0:
            return text[start + 1 : place], text[place + 1 :]
    raise UsageError(f"{text.strip()!r}: a bracket is not closed", next_step=FORM)
