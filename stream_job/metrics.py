"""The running job's figures for Prometheus, on 127.0.0.1 only."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import SetupError
from plumbline.stream_job import lag as lags
from plumbline.stream_job import topics
from plumbline.stream_job.heartbeat import Heartbeat, now_ms

if TYPE_CHECKING:
    from plumbline.stream_job.service import Service

ADDRESS = "127.0.0.1"
ASK_EVERY_SECONDS = 15.0
"""How old what was asked of broker and catalog may be when it is shown: a scrape must not burden them."""


@dataclass(frozen=True)
class Metric:
    """One metric: its name without the prefix, gauge or counter, its HELP line, its labels and its values.

    `values` maps the label values to the figure; a figure that is not known is left out.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    values: Callable[[Heartbeat, Outside], Mapping[tuple[str, ...], float | None]]

    @property
    def shown(self) -> str:
        """The name as Prometheus stores it."""
        return f"plumbline_stream_{self.name}" + ("_total" if self.kind == "counter" else "")


@dataclass(frozen=True)
class Outside:
    """What the job itself does not know: events not yet read per (source, partition), quarantined per reason."""

    lag: Mapping[tuple[str, ...], int]
    quarantined: Mapping[str, int]


def _plain(
    figure: Callable[[Heartbeat], float | None],
) -> Callable[[Heartbeat, Outside], Mapping[tuple[str, ...], Any]]:
    return lambda beat, outside: {(): figure(beat)}


def _flows(figure: Callable[[Any], float | None]) -> Callable[[Heartbeat, Outside], Mapping[tuple[str, ...], Any]]:
    return lambda beat, outside: {(flow.name,): figure(flow) for flow in beat.flows}


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _quiet(heartbeat: Heartbeat, outside: Outside) -> Mapping[tuple[str, ...], float]:
    return {(flow.name,): max(0, now_ms() - heartbeat.quiet_since_ms(flow)) / 1000 for flow in heartbeat.flows}


METRICS = (
    Metric("lag_events", "gauge", "events in the topic that the join has not read", ("source", "partition"),
           lambda beat, outside: outside.lag),
    Metric("events", "counter", "events that the join has read since the start", ("source",),
           _flows(lambda flow: flow.events)),
    Metric("idle_seconds", "gauge", "time since the source last had a new event", ("source",), _quiet),
    Metric("source_watermark_seconds", "gauge", "the source's own watermark, in seconds of event time since 1970",
           ("source",), _flows(lambda flow: _seconds(flow.watermark_ms))),
    Metric("watermark_seconds", "gauge", "the join's watermark, in seconds of event time since 1970", (),
           _plain(lambda beat: _seconds(beat.watermark_ms or None))),
    Metric("epochs", "counter", "epochs that were committed since the start", (),
           _plain(lambda beat: beat.done.epochs)),
    Metric("epoch_duration_seconds", "counter", "time spent in epochs since the start", (),
           _plain(lambda beat: beat.done.epoch_seconds_sum)),
    Metric("last_epoch_duration_seconds", "gauge", "how long the last epoch took", (),
           _plain(lambda beat: beat.done.epoch_seconds)),
    Metric("last_commit_timestamp_seconds", "gauge", "when the last epoch was committed, in seconds since 1970", (),
           _plain(lambda beat: _seconds(beat.committed_at_ms))),
    Metric("late_rows", "counter", "rows that came after the watermark and were dropped, since the start", (),
           _plain(lambda beat: beat.done.late_rows)),
    Metric("state_rows", "gauge", "rows that wait in state for a match or for their window's end", (),
           _plain(lambda beat: beat.done.state_rows)),
    Metric("state_bytes", "gauge", "size of the newest version of the state", (),
           _plain(lambda beat: beat.done.state_bytes)),
    Metric("state_memory_bytes", "gauge", "memory that the state takes, with the versions kept for a retry", (),
           _plain(lambda beat: beat.done.memory_bytes)),
    Metric("quarantined_events", "gauge", "records in plumbline.quarantine", ("reason",),
           lambda beat, outside: {(reason,): count for reason, count in outside.quarantined.items()}),
    Metric("retries", "counter", "starts of a query after it failed, since the start", (),
           _plain(lambda beat: beat.retries)),
    Metric("retrying", "gauge", "1 while a query waits for its next start", (),
           _plain(lambda beat: float(beat.state == "retrying"))),
    Metric("start_timestamp_seconds", "gauge", "when the job started, in seconds since 1970", (),
           _plain(lambda beat: _seconds(beat.started_at_ms))),
)  # fmt: skip
"""Every metric, in the order of docs/operations.md; each also carries the label `contract`."""


class _Collector:
    """Reads the job's heartbeat at each scrape, and now and then what lies outside of it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._outside, self._asked = Outside({}, {}), float("-inf")

    def collect(self) -> Iterator[Any]:
        """The metrics as prometheus_client wants them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        heartbeat, outside = self._service.heartbeat, self._ask()
        contract = self._service.parts.contract.contract
        for metric in METRICS:
            family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            made = family(f"plumbline_stream_{metric.name}", metric.help, labels=("contract", *metric.labels))
            for labels, figure in sorted(metric.values(heartbeat, outside).items()):
                if figure is not None:
                    made.add_metric((contract, *labels), figure)
            yield made

    def _ask(self) -> Outside:
        if time.monotonic() - self._asked > ASK_EVERY_SECONDS:
            parts = self._service.parts
            try:
                ends = topics.ends_now(parts.contract, parts.kafka, parts.job)
                lag: dict[tuple[str, ...], int] = {
                    (flow.name, partition): behind
                    for flow in self._service.heartbeat.flows
                    for partition, behind in lags.behind(flow.read, ends[flow.name]).items()
                }
                self._outside = Outside(lag, lags.quarantined(parts.lake, parts.contract))
            except SetupError:
                self._outside = Outside({}, {})
            self._asked = time.monotonic()
        return self._outside


def refuse_taken_port(port: int) -> None:
    """Raise SetupError when the port cannot be used, before anything else is started. 0 is any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise _taken(port, error) from None


def _taken(port: int, error: OSError) -> SetupError:
    return SetupError(
        f"the metrics port {port} cannot be used: {error.strerror}",
        where=f"{ADDRESS}:{port}",
        next_step="give --metrics-port a free one",
    )


@contextmanager
def serving(port: int, service: Service) -> Iterator[int]:
    """Serve `/metrics` on 127.0.0.1:`port` (0: any free one) in the block; gives the port.

    Raises SetupError when the port is taken.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(_Collector(service))
    try:
        server, thread = start_http_server(port, addr=ADDRESS, registry=registry)
    except OSError as error:
        raise _taken(port, error) from None
    service.say(f"stream: metrics on http://{ADDRESS}:{server.server_port}/metrics")
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
