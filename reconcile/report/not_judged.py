"""What a reconcile document cannot judge yet, or not hold to a prediction, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.operators import UNKNOWN, why_unproven
from plumbline.reconcile import format
from plumbline.reconcile.document import ONE_SIDED, Document

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

MOST_NEEDS = 4


def unobserved_line(document: Document) -> str:
    """Which stream rows are not compared, and what has to be observed to judge them; nothing where all are."""
    held = document.get("unobserved")
    if not held:
        return ""
    needs = [
        f"{each['source']} partition {each['partition']} up to offset {format.count(each['needed'])} "
        f"(observed up to {format.count(each['observed'])})"
        for each in held["offsets"]
    ]
    if held["closed_until"]:
        needs.append(f"windows closed up to {held['closed_until']}")
    more = f" and {format.counted(len(needs) - MOST_NEEDS, 'more')}" if len(needs) > MOST_NEEDS else ""
    return (
        f"{format.counted(held['rows'], 'stream row')} not compared: {'it is' if held['rows'] == 1 else 'they are'} of "
        f"epochs after {format.count(held['last_epoch'])}, the newest that was observed. Needed: "
        f"{'; '.join(needs[:MOST_NEEDS])}{more}"
    )


def held_line(document: Document) -> str:
    """What may hold rows back behind the join of the job's query, and how many of them; nothing where nothing may."""
    held = document.get("held_back")
    if not held:
        return ""
    what = ", ".join(held["by"]) or UNKNOWN
    return f"{what} behind the join may hold rows back" + (
        f": {format.counted(held['rows'], 'row')} of the batch may be held, or lost" if held["rows"] else ""
    )


def not_compared(document: Document, contract: Contract | None = None) -> str:
    """Why the prediction is not held to the tables, or why there is none; nothing where it is held to them."""
    if contract is not None and contract.output.is_upsert:
        return "nothing is predicted of upserted tables, whose older rows are gone"
    if contract is not None and contract.reduces:
        return "nothing is predicted where a source is reduced"
    if document.get("unproven_spark"):
        why = why_unproven(document["unproven_spark"])
        return f"nothing is predicted: {why}, and late or lost rows are unexplained"
    if document.get("held_back"):
        return f"nothing is predicted: {held_line(document)}" if document.get("predicted") is None else ""
    if document.get("predicted") is None:
        return "without an epoch ledger nothing can be predicted"
    if document.get("agrees") is not None:
        return ""
    if document.get("replayed"):
        return "not held to the tables: replays replaced rows of the live job"
    one_sided = [name for name in ONE_SIDED if document["causes"].get(name)]
    why = ", ".join(f"{format.count(document['causes'][name])} by {name}" for name in one_sided)
    return f"not held to the tables: the two sides did not take in the same records ({why})" if why else ""
