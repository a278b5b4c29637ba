"""What the running job knows about itself, written beside its checkpoints as `status.json` for `stream status`."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.stream_job.ledger import Epoch
from plumbline.stream_job.progress import Done

if TYPE_CHECKING:
    from plumbline.stream_job.document_types import Phase

NAME = "status.json"
LOOK_BACK = 200
"""Epochs of the ledger that a start reads to learn when each source last had something new."""


@dataclass(frozen=True)
class Flow:
    """One source as the join has read it: events since the start of the run, newest offsets, and when they last moved.

    `watermark_ms` is the source's own watermark since the start of the run; None before its first event.
    """

    name: str
    topic: str
    events: int = 0
    read: dict[str, int] = field(default_factory=dict)
    moved_at_ms: int | None = None
    watermark_ms: int | None = None

    def after(self, planned_at_ms: int, start: dict[str, int], end: dict[str, int], *, counted: bool = True) -> Flow:
        """The flow after an epoch that read `start` to `end`."""
        new = sum(offset - start.get(partition, 0) for partition, offset in end.items())
        if new <= 0:
            return replace(self, read=end or self.read)
        return replace(self, events=self.events + (new if counted else 0), read=end, moved_at_ms=planned_at_ms)


@dataclass(frozen=True)
class Heartbeat:
    """The state of a running job at one moment. `state` is starting, running, retrying or ending; times in ms UTC.

    `held_back_by` names the source whose watermark is the join's; `retries` counts restarts of queries since the start,
    `trouble` is what they wait for, in words. `flows` are the sources, left first.
    """

    pid: int
    started_at_ms: int
    flows: tuple[Flow, Flow]
    state: Phase = "starting"
    updated_at_ms: int = 0
    watermark_ms: int = 0
    done: Done = field(default_factory=Done)
    retries: int = 0
    trouble: str | None = None
    idle_after_ms: int = 60_000
    committed_at_ms: int | None = None

    @classmethod
    def begin(
        cls, sources: tuple[tuple[str, str], tuple[str, str]], history: list[Epoch], idle_after_ms: int
    ) -> Heartbeat:
        """The heartbeat of a job that starts now: (name, topic) of both sources, newest epochs of its ledger."""
        now = now_ms()
        flows = tuple(Flow(name, topic, moved_at_ms=now if not history else None) for name, topic in sources)
        begun = cls(os.getpid(), now, (flows[0], flows[1]), idle_after_ms=idle_after_ms, updated_at_ms=now)
        for epoch in history:
            begun = begun.after(epoch, counted=False)
        return begun

    def after(self, epoch: Epoch, *, counted: bool = True) -> Heartbeat:
        """The heartbeat after one more committed epoch."""
        left, right = (
            flow.after(epoch.planned_at_ms, start, end, counted=counted)
            for flow, start, end in zip(self.flows, epoch.start, epoch.end, strict=True)
        )
        return replace(self, flows=(left, right), watermark_ms=epoch.evict_watermark_ms)

    def with_watermarks(self, found: tuple[int | None, int | None] | None) -> Heartbeat:
        """The heartbeat with each source's own watermark, where it is known."""
        if found is None:
            return self
        left, right = (replace(flow, watermark_ms=ms) for flow, ms in zip(self.flows, found, strict=True))
        return replace(self, flows=(left, right))

    @property
    def held_back_by(self) -> str | None:
        """The source whose events are behind the other's, so that the join's watermark waits for it."""
        left, right = self.flows
        if left.watermark_ms is None and right.watermark_ms is None:
            return None
        if left.watermark_ms is None or right.watermark_ms is None:
            return left.name if left.watermark_ms is None else right.name
        if left.watermark_ms == right.watermark_ms:
            return None
        return min(self.flows, key=lambda flow: flow.watermark_ms or 0).name

    def idle(self, at_ms: int) -> Flow | None:
        """The source that has had nothing new for longer than `idle_after_ms` while the other goes on.

        The other one's newest epoch is planned, run and seen before it shows here, so it may lie back that much more.
        """
        latest = self.idle_after_ms + 2000 * (self.done.epoch_seconds or 0)
        for flow, other in (self.flows, self.flows[::-1]):
            if other.moved_at_ms is None:
                continue
            quiet, ahead = at_ms - self.quiet_since_ms(flow), at_ms - other.moved_at_ms
            if quiet > self.idle_after_ms and ahead <= min(latest, quiet - 1):
                return flow
        return None

    def quiet_since_ms(self, flow: Flow) -> int:
        """When the source last had something new; the start of this run when that is longer ago than is known."""
        return self.started_at_ms if flow.moved_at_ms is None else flow.moved_at_ms

    def as_json(self) -> dict[str, Any]:
        """The document of `status.json`."""
        return {**asdict(self), "held_back_by": self.held_back_by}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Heartbeat:
        """The heartbeat behind a document that `as_json` made."""
        body = {key: value for key, value in document.items() if key != "held_back_by"}
        flows = [Flow(**flow) for flow in body.pop("flows")]
        return cls(**{**body, "flows": (flows[0], flows[1]), "done": Done(**body.pop("done"))})


def write(folder: Path, heartbeat: Heartbeat) -> None:
    """Write `status.json` so that a reader sees the old one or the new one. A lost one costs nothing: no fsync."""
    path = folder / NAME
    temporary = path.with_name(f".{NAME}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(heartbeat.as_json()))
    temporary.rename(path)


def read(folder: Path) -> Heartbeat | None:
    """What the job wrote last; None when it never did, or an older version of it wrote something else."""
    try:
        return Heartbeat.of(json.loads((folder / NAME).read_text()))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def now_ms() -> int:
    """Now, in ms since 1970."""
    return time.time_ns() // 1_000_000
