"""Which delivery of an event counted is told by no lineage of an aggregate, nor by rows that newer ones replaced: other
content is refused, the same is not."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from plumbline.contract.errors import IncompleteError
from plumbline.contract.loader import parse
from plumbline.replay.recover.lines import refuse_different_copies
from plumbline.replay.recover.past import Past
from tests.support.aggregates import TEXT
from tests.support.reduced import TEXT as REDUCED
from tests.support.upserts import TEXT as UPSERTED

ROWS = {
    "the same content": ([(0, "a", "{1}"), (1, "a", "{1}")], [], False),
    "other content": ([(0, "a", "{1}"), (1, "a", "{2}")], [], True),
    "other content, but late": ([(0, "a", "{1}"), (1, "a", "{2}")], [1], False),
    "another event": ([(0, "a", "{1}"), (1, "b", "{2}")], [], False),
}


@pytest.mark.parametrize("event_id", [True, False])
@pytest.mark.parametrize("what", ROWS)
def test_copies(what: str, event_id: bool) -> None:
    rows, out, refused = ROWS[what]
    text = TEXT.replace("    event_time: at\n", "    event_time: at\n    event_id: id\n", 1) if event_id else TEXT
    with duckdb.connect() as con:
        for side, held in (("left", rows), ("right", [])):
            con.execute(
                f'CREATE TABLE {side}_raw (partition INT, "offset" BIGINT, event_id VARCHAR, event_time BIGINT, '
                "value VARCHAR)"
            )
            con.execute(f'CREATE TABLE {side}_out (partition INT, "offset" BIGINT)')
            for place, name, value in held:
                con.execute(f"INSERT INTO {side}_raw VALUES (0, ?, ?, 7, ?)", [place, name, value])
            for place in out if held else []:
                con.execute(f"INSERT INTO {side}_out VALUES (0, ?)", [place])
        past: Any = cast("Past", SimpleNamespace(con=con))
        if refused and event_id:
            with pytest.raises(IncompleteError, match=r"event a of .* was delivered again"):
                refuse_different_copies(past, parse(text))
        else:
            refuse_different_copies(past, parse(text))


EXACT = {"upserted": UPSERTED, "reduced": REDUCED}


@pytest.mark.parametrize("contract", [*EXACT, "of all rows"])
def test_copies_of_which_the_rows_need_not_show_any(contract: str) -> None:
    text = EXACT.get(contract, UPSERTED.replace("  mode: upsert\n", ""))
    with duckdb.connect() as con:
        for side, values in (("left", ["{1}", "{1}"]), ("right", ["{1}", "{2}"])):
            held = ", ".join(f"(0, {place}, 'a', 7, '{value}')" for place, value in enumerate(values))
            con.execute(
                f'CREATE TABLE {side}_raw AS FROM (VALUES {held}) t(partition, "offset", event_id, event_time, value)'
            )
            con.execute(f'CREATE TABLE {side}_out (partition INT, "offset" BIGINT)')
        past: Any = cast("Past", SimpleNamespace(con=con))
        refused: Any = pytest.raises(IncompleteError, match=r"event a of t\.plays was delivered again")
        with refused if contract in EXACT else nullcontext():
            refuse_different_copies(past, parse(text))
