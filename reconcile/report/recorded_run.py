"""A recorded run to look at in a notebook: its books, causes, days, findings and plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plumbline.contract.durations import milliseconds, parse_duration
from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.report import notebook_card, plots, stored_runs, stories, watermark
from plumbline.reconcile.report.page import fragment

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.lateness.curve import Lateness


@dataclass(frozen=True)
class Plot:
    """A plot as HTML, without script and with nothing to fetch; a notebook displays it."""

    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


@dataclass(frozen=True)
class RecordedRun:
    """A run that `plumbline reconcile` recorded. `document` is what it printed with `--json`; reading changes nothing.

    Rows come as lists of dicts, ready for a DataFrame.
    """

    contract: Contract = field(repr=False)
    home: Home
    document: Mapping[str, Any] = field(repr=False)

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return str(self.document["run_id"])

    @property
    def balanced(self) -> bool:
        """Whether each difference between the row counts of batch and stream is accounted for."""
        return reading.balanced(self.document)

    def __str__(self) -> str:
        return reading.verdict_sentence(self.document, self.contract)

    def _repr_html_(self) -> str:
        return notebook_card.of_run(self.document)

    def books(self) -> list[dict[str, Any]]:
        """What leads from the batch rows to the stream rows: `cause`, `rows` (signed) and `what`."""
        return [
            {"cause": line.cause, "rows": line.rows, "what": line.what} for line in reading.book_lines(self.document)
        ]

    def causes(self) -> dict[str, dict[str, int]]:
        """Each cause with its findings per class (missing, extra, mismatch, duplicate), the most frequent first."""
        return {line.name: dict(line.classes) for line in reading.cause_lines(self.document)}

    def days(self) -> list[dict[str, Any]]:
        """Each day of left event time: `day`, `batch` and `stream` rows, `drift` (findings), its `share` of batch."""
        return [
            {"day": day.start, "batch": day.batch, "stream": day.stream, "drift": day.drift}
            | {"share": day.drift / max(day.batch, 1)}
            for day in reading.windows(self.document)
        ]

    def within(self, time_range: TimeRange) -> dict[str, int]:
        """Rows and findings per class of the days that lie inside `time_range`."""
        return reading.within(self.document, time_range)

    def findings(self) -> list[dict[str, Any]]:
        """All findings: key, class, cause, window, event_time, late_by_ms, then the compared columns of the batch row
        (of the stream row where the batch has none)."""
        return stored_runs.flat(self._lake, self.run_id)

    def stories(self, most: int = 10) -> tuple[stories.Story, ...]:
        """The gravest findings, each with its `key`, its `parts`, `cause`, `kind` and a `sentence` on what happened."""
        return stories.worst(stored_runs.findings(self._lake, self.run_id), most, self.contract)

    def drift_plot(self) -> Plot:
        """Findings per day (week, month or year where there are many), by cause."""
        return Plot(fragment(plots.drift_per_window(*reading.merged(reading.windows(self.document)))))

    def lateness_plot(self) -> Plot | None:
        """Records lost against the change of both delays; None without an epoch ledger."""
        return Plot(fragment(plots.lateness_curve(self._curves))) if self._curves else None

    def watermark_plot(self) -> Plot | None:
        """How far before or behind the watermark the records came, along its way; None when no watermark moved."""
        chart = watermark.against_event_time(self._curves)
        return Plot(fragment(chart)) if chart else None

    def delays(self) -> list[dict[str, Any]]:
        """Changes of `both delays`, from half of them to no loss at all, with the records that each source loses."""
        from plumbline.reconcile.lateness.curve import choices

        return [
            {"both delays": format.delay(change)}
            | {f"lost {curve.source}": number for curve, number in zip(self._curves, lost, strict=True)}
            for change, lost in choices(self._curves)
        ]

    def with_longer_delays(self, longer: str) -> list[dict[str, Any]]:
        """For each source: what both delays longer by `longer` would have lost and saved (`-30 minutes`: shorter).

        A negative `saved` is lost in addition. Raises UsageError for a text that is not a duration.
        """
        ms = milliseconds(parse_duration(longer))
        return [
            {"source": curve.source, "records": curve.records}
            | {"delay": format.delay(curve.delay_ms), "would be": format.delay(curve.delay_ms + ms)}
            | {"lost": curve.lost(0), "would be lost": curve.lost(ms), "saved": curve.lost(0) - curve.lost(ms)}
            for curve in self._curves
        ]

    def late_findings(self, less_than: str | None = None) -> list[dict[str, Any]]:
        """The findings of late records; with `less_than`, a duration, those that were late by less than it."""
        most = None if less_than is None else milliseconds(parse_duration(less_than))
        late = [row for row in self.findings() if row["late_by_ms"] is not None]
        return late if most is None else [row for row in late if row["late_by_ms"] < most]

    @cached_property
    def _lake(self) -> Lake:
        from plumbline.connect.lake import Lake

        return Lake.open(self.home, self.contract.catalog)

    @cached_property
    def _curves(self) -> tuple[Lateness, ...]:
        from plumbline.reconcile.lateness.curve import measure

        return measure(self.contract, self.home, self.document)


def open_run(contract: Contract, home: Home, run_id: str = stored_runs.LATEST) -> RecordedRun:
    """The recorded run with this id; `latest` is the newest.

    Raises SetupError when the contract has no recorded run, UsageError for an unknown id, naming the nearest.
    """
    from plumbline.connect.lake import Lake

    [document] = stored_runs.documents(contract, Lake.open(home, contract.catalog), [run_id])
    return RecordedRun(contract, home, document)
