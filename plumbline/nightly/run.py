"""`plumbline nightly`: every day that is due, once, whatever kills it; then one message, and old files go."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast

from plumbline.connect.locks import locked
from plumbline.contract.errors import IncompleteError, PlumblineError
from plumbline.contract.secrets import hidden
from plumbline.nightly import days, record, webhook
from plumbline.nightly.days import Due
from plumbline.nightly.folder import NIGHT, Document, NightFolder, claim, nights_of, remove_old
from plumbline.nightly.message import message, severity
from plumbline.nightly.night import Job, spend
from plumbline.reconcile.judge.store import whose

if TYPE_CHECKING:
    from plumbline.nightly.document_types import Night, NightlyDocument

SENT, NONE = "sent", "none"
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Options:
    """What was asked for. `day`: that day only, also a done one with `again`; else catch up, `at_most` days at once."""

    day: date | None = None
    since: date | None = None
    again: bool = False
    at_most: int = 31
    keep: timedelta = timedelta(days=90)
    alerts_only: bool = False
    webhook: str | None = None


def nightly(job: Job, asked: Options) -> NightlyDocument:
    """Do what is due; returns `{"contract", "nights", "last", "left", "removed", "message", "exit_code"}`.

    `nights` are those that no earlier command reported, also where an earlier one was killed after them; without any,
    `last` is the night that stands (of `day`, else the newest), so that a repeated command ends with the same code.
    `message` is `sent`, `none` (no webhook, or nothing to tell) or why it was not sent. Raises UnreachableError when
    another nightly of the contract runs, IncompleteError for a day that the stream has not settled.
    """
    with suppress(PlumblineError):  # without a catalog nobody's nights are done, which is reported below
        claim(job.home, job.contract, whose(job.lake, job.contract.contract))
    busy = f"another `plumbline nightly` of {job.contract.contract} is running"
    with locked(nights_of(job.home, job.contract) / "lock", busy):
        plan, failure = Due(), None
        try:
            plan = _plan(job, asked)
            _spend(job, plan, asked)
        except Exception as error:  # reported first, then raised
            failure = error
        untold = [folder for folder in NightFolder.all(job.home, job.contract) if not folder.announced]
        nights = [folder.read(NIGHT) for folder in untold]
        sent = _tell(job, asked, nights, plan.left, failure)
        if sent == SENT or (sent == NONE and failure is None):
            for folder in untold:
                folder.announce()
        removed = remove_old(job.home, job.contract, datetime.now(UTC), asked.keep)
    if failure is not None:
        raise failure
    last = None if nights else record.last_night(job.lake, job.contract, asked.day)
    codes = [severity(night, asked.alerts_only) for night in (nights or ([last] if last else []))]
    return {
        "contract": job.contract.contract,
        "nights": cast("list[Night]", nights),
        "last": cast("Night | None", last),
        "left": plan.left,
        "removed": removed,
        "message": sent,
        "exit_code": cast("Literal[0, 1, 3]", max([3 * (plan.left > 0 or sent not in (SENT, NONE)), *codes])),
    }


def _plan(job: Job, asked: Options) -> Due:
    done = record.days_done(job.lake, job.contract)
    newest = days.newest_ended(_settled_us(job), datetime.now(UTC))
    if asked.day is None:
        return days.due(done, newest, asked.since, asked.at_most)
    if asked.day > newest:
        raise IncompleteError(
            f"{asked.day} is not over yet: the newest day that the stream has settled is {newest}",
            next_step="run it again later, or look at `plumbline stream status CONTRACT`",
        )
    return Due((asked.day,) if asked.again or asked.day not in done else ())


def _settled_us(job: Job) -> int | None:
    """The newest event time (us) up to which the stream is settled; None without an epoch ledger, or where the rule of
    the stream's Spark is not proven, or nobody knows for how long rows are held back behind the join."""
    from plumbline.contract.durations import milliseconds
    from plumbline.contract.lateness import output_watermark_ms, settled_until_us
    from plumbline.contract.operators import held_by, let_go_until_us
    from plumbline.replay.settled import unproven_closing
    from plumbline.stream_job.epochs import newest

    last = newest(job.lake, job.contract)
    if last is None or unproven_closing(job.lake, job.contract) is not None:
        return None
    evict_ms = int(last["evict_watermark_ms"])
    low, high = map(milliseconds, job.contract.join.within)
    aggregate = job.contract.output.aggregate
    if aggregate is not None:  # all windows are written that end by then; a day's last one may end on the next day
        window = milliseconds(aggregate.window)
        return (output_watermark_ms(evict_ms, low, high) - (window if DAY_MS % window else 0)) * 1000 - 1
    if held_by(job.contract, last["operators"]) is not None:
        return let_go_until_us(job.contract, evict_ms)
    return settled_until_us(evict_ms, low, high, keeps_right=job.contract.join.keeps_right)


def _spend(job: Job, plan: Due, asked: Options) -> None:
    for number, day in enumerate(plan.days, 1):
        job.say(f"nightly: {day}, {number} of {len(plan.days)}")
        if asked.again:
            job.folder(day).remove()
        spend(job, day)


def _tell(job: Job, asked: Options, nights: Sequence[Document], left: int, failure: Exception | None) -> str:
    """Send one message about the nights, if there is somebody to tell and something to say."""
    if not asked.webhook or not (nights or failure):
        return NONE
    why = None if failure is None else failure.what if isinstance(failure, PlumblineError) else hidden(str(failure))
    try:
        webhook.post(asked.webhook, message(job.contract.contract, nights, left, why, asked.alerts_only))
    except PlumblineError as error:
        job.say(f"nightly: {error}")
        return str(error)
    return SENT
