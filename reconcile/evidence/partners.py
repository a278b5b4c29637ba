"""The rows of both outputs that share a record with a difference, and so the partners that each record has there."""

from __future__ import annotations

from plumbline.contract.lineage import COORDINATES, OTHER, SIDES
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.evidence import INPUTS, NEAR, PAIRS
from plumbline.reconcile.relations.relation import Relation


def find_partners(pins: Pins, known: Relation) -> None:
    """Fill NEAR and PAIRS for the records of INPUTS. `known` are the stream's rows that decide about those that are
    read."""
    for name, rows in (("batch", pins.around(pins.batch)), ("stream", known)):
        near = find_near(pins, name, rows)
        for side in SIDES:
            PAIRS[name, side].fill(pins.con, _pairs(side, near))


def find_near(pins: Pins, table: str, rows: Relation) -> Relation:
    """Fill NEAR of one output table."""
    return NEAR[table].fill(pins.con, _near(rows))


def _near(rows: Relation) -> str:
    """The rows of an output table that share a record with one of INPUTS: in one scan, of many rows a few, by their
    offsets first, which costs half as much as by whole coordinates."""
    by_offset, by_place = (
        " OR ".join(
            f"{packed.format(f'_{side}_partition', f'_{side}_offset')} IN"
            f" (SELECT {packed.format(f'{side}_partition', f'{side}_offset')} FROM {INPUTS}"
            f" WHERE {side}_partition IS NOT NULL AND {side}_offset IS NOT NULL)"
            for side in SIDES
        )
        for packed in ("{1}", "({0}, {1})")
    )
    return f"SELECT * FROM (SELECT {', '.join(COORDINATES)} FROM {rows} WHERE {by_offset}) WHERE {by_place}"


def _pairs(side: str, rows: Relation) -> str:
    """The partners that an output table has of each record in INPUTS on one side."""
    other = OTHER[side]
    return f"""
        SELECT DISTINCT b._{side}_partition AS partition, b._{side}_offset AS "offset",
            b._{other}_partition AS other_partition, b._{other}_offset AS other_offset
        FROM {rows} b SEMI JOIN {INPUTS} i
            ON i.{side}_partition = b._{side}_partition AND i.{side}_offset = b._{side}_offset
        WHERE b._{other}_offset IS NOT NULL
    """
