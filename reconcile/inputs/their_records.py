"""What another tool's archive (`archive_columns`) holds: records of the topic, each with one time, how fine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.contract.errors import ContractError
from plumbline.reconcile.relations.inputs import ARCHIVES, THEIR_TOPICS

if TYPE_CHECKING:
    from plumbline.contract.model import Source
    from plumbline.reconcile.inputs.pinned_views import Pins


def refuse_unfit_records(pins: Pins, side: str) -> None:
    """Raise ContractError for an archive of theirs without a record of the topic, or with two at one place.

    The view of the archive must be made: only what that shows is looked at.
    """
    source = pins.contract.source_of(side)
    if source.archive_columns is None or pins.snapshots[source.archive] is None:
        return
    if not ARCHIVES[side].any(pins.con):
        _refuse_other_topics(pins, source)
    found = pins.con.execute(
        f"""
        SELECT partition, "offset" FROM {ARCHIVES[side]} GROUP BY ALL
        HAVING min(event_time) <> max(event_time) ORDER BY ALL LIMIT 1
        """
    ).fetchone()
    if found is not None:
        raise ContractError(
            f"{source.archive} holds partition {found[0]} offset {found[1]} of {source.topic} with two event times: "
            "which record that is nobody can say",
            where=pins.contract.place(_path(pins, side)) or source.archive,
            next_step="if the topic was recreated, remove the records from before, or archive into a new table",
        )


def cut_to_ms(pins: Pins, side: str) -> bool:
    """Whether another tool may have cut the archive's event times to milliseconds: a record then may be later than it
    says. Not where all are whole seconds: those came so; nor where the job says itself what was late."""
    job = pins.contract.job
    if pins.contract.source_of(side).archive_columns is None or (job is not None and job.progress is not None):
        return False
    found = pins.con.execute(
        f"""SELECT NOT bool_or(epoch_us(event_time) % 1000 <> 0) AND bool_or(epoch_us(event_time) % 1000000 <> 0)
        FROM {ARCHIVES[side]}"""
    ).fetchone()
    return found is not None and bool(found[0])


def _refuse_other_topics(pins: Pins, source: Source) -> None:
    theirs = source.archive_columns
    if theirs is None or theirs.topic is None:
        return
    snapshot = pins.snapshots[source.archive]
    scan_archive(pins.con, pins.lake, source, snapshot, view=THEIR_TOPICS.name, columns=("topic",))
    found = [topic for (topic,) in pins.con.execute(f"SELECT DISTINCT topic FROM {THEIR_TOPICS}").fetchall()]
    if found and source.topic not in found:
        others = ", ".join(sorted(map(str, found))[:3])
        raise ContractError(
            f"no row of {source.archive} is of topic {source.topic}, but of {others}, by column {theirs.topic!r}",
            where=pins.contract.place(_path(pins, "left" if source is pins.contract.left else "right", "topic"))
            or source.archive,
            next_step="name the column that has the topic; leave it out where the table has one topic only",
        )


def _path(pins: Pins, side: str, *more: str) -> tuple[str, ...]:
    join = pins.contract.join
    return ("sources", join.left if side == "left" else join.right, "archive_columns", *more)
