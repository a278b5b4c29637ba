"""What the running job and `stream status` say in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plumbline.contract.ranges import from_micros, spell_time
from plumbline.stream_job.heartbeat import Flow, Heartbeat


def progress_line(heartbeat: Heartbeat) -> str:
    """How far a job has come: newest epoch, events of this run, watermark, late rows, state. Of a run whose first epoch
    Spark has not reported yet, what the ledger says of it."""
    done, events = heartbeat.done, sum(flow.events for flow in heartbeat.flows)
    read = f"{events:,} events, watermark {moment(heartbeat.watermark_ms)}"
    if not done.epochs:
        return f"stream: {read}"
    state = "state not counted" if done.state_rows is None else f"{done.state_rows:,} rows in state"
    return f"stream: epoch {done.epoch}, {read}, {done.late_rows:,} late, {state}"


def idle_line(heartbeat: Heartbeat, idle: Flow, now_ms: int) -> str:
    """That a source has gone quiet, and what follows from it."""
    other = next(flow for flow in heartbeat.flows if flow is not idle)
    quiet = span((now_ms - heartbeat.quiet_since_ms(idle)) / 1000)
    return (
        f"{idle.name} has had no new event for {quiet} while {other.name} continues: the watermark stays at "
        f"{moment(heartbeat.watermark_ms)}, no window closes, and state grows with each event of {other.name}"
    )


def idle_changes(heartbeat: Heartbeat, before: str | None, idle: Flow | None, now_ms: int) -> Iterator[str]:
    """What to say where another source is idle than `before`, or none. One may follow the other at once."""
    name = idle.name if idle else None
    if before is not None and before != name:
        yield f"stream: {before} is no longer idle"
    if idle is not None and before != name:
        yield f"stream: warning: {idle_line(heartbeat, idle, now_ms)}"


def moment(ms: int | None) -> str:
    """A time in ms since 1970 as ISO 8601 to the second; `none yet` for none or zero."""
    return spell_time(from_micros(ms * 1000 // 1_000_000 * 1_000_000)) if ms else "none yet"


def span(seconds: float) -> str:
    """A length of time, coarse: `4.2 s`, `3 min`, `5 h`, `2 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """The page that `plumbline stream status` prints, from its JSON document."""
    running = f"{status['phase']}, pid {status['pid']} since {status['since']}" if status["running"] else "does not run"
    yield f"{status['contract']}: {running}"
    epoch, commit = status["epoch"], status["last_commit"]
    took = "" if epoch["seconds"] is None else f", took {span(epoch['seconds'])}"
    yield _line("last epoch", f"{epoch['number']}{took}" if epoch["number"] >= 0 else "none yet")
    known = commit and f"{span(commit['age_seconds'])} ago, epoch {commit['epoch']}, snapshot {commit['snapshot_id']}"
    yield _line("last commit", known or "none yet")
    held = f", held back by {status['held_back_by']}" if status["held_back_by"] else ""
    yield _line("watermark", f"{status['watermark'] or 'none yet'}{held}")
    for name, source in status["sources"].items():
        yield _line(name, _source_line(source))
    yield _line("late", f"{status['late_rows']:,} rows dropped since the last start")
    yield _line("state", _state_line(status["state"]))
    yield _line("quarantine", _quarantine_line(status["quarantine"]))
    for warning in status["warnings"]:
        yield f"warning: {warning}"
    for unknown in status["unknown"]:
        yield f"unknown: {unknown}"


def _line(name: str, text: str) -> str:
    return f"  {name:<12} {text}"


def _source_line(source: Mapping[str, Any]) -> str:
    parts = ", ".join(f"{partition}: {count:,}" for partition, count in (source["lag"] or {}).items())
    lag = "lag unknown" if source["lag"] is None else f"lag {source['lag_total']:,} ({parts})"
    if source["held_by_transactions"]:
        lag += f", {source['held_by_transactions']:,} more offsets behind an open transaction"
    quiet = source["quiet_seconds"]
    last = "no event yet" if quiet is None else f"last new event {span(quiet)} ago"
    return f"{lag}, watermark {source['watermark'] or 'not since the last start'}, {last}"


def _state_line(state: Mapping[str, int | None]) -> str:
    rows = "rows not counted" if state["rows"] is None else f"{state['rows']:,} rows"
    named = (("", state["bytes"]), (" of memory", state["memory_bytes"]))
    return ", ".join([rows, *(f"{_size(size)}{name}" for name, size in named if size is not None)])


def _quarantine_line(reasons: Mapping[str, int] | None) -> str:
    if reasons is None:
        return "unknown"
    listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
    return f"{sum(reasons.values()):,} records: {listed}" if reasons else "none"


def _size(count: int) -> str:
    """A number of bytes in B, kB, MB or GB."""
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
