"""What a report may tell beyond the recorded documents; each part is left out when it is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.ranges import TimeRange

if TYPE_CHECKING:
    from plumbline.contract.model import Contract
    from plumbline.reconcile.lateness.curve import Lateness


@dataclass(frozen=True)
class Replay:
    """One repair to show between two documents: the range, what was read, what was written."""

    replay_id: str
    time_range: TimeRange
    source: str | None = None
    rows: int | None = None
    snapshot_id: int | None = None


@dataclass(frozen=True)
class Facts:
    """The contract and how commands name it, both sources' lateness, the replays since, and expectations; `page` is the
    file that the page is written to, as a command names it."""

    contract: Contract | None = None
    contract_path: str = "CONTRACT"
    home_option: str = ""
    lateness: Sequence[Lateness] = ()
    replays: Sequence[Replay] = ()
    checks: Sequence[Mapping[str, Any]] = ()
    page: str = ""
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
