"""When a job gives up."""

from __future__ import annotations

from datetime import timedelta

from plumbline.stream_job.backoff import Backoff


def test_without_a_limit_never() -> None:
    backoff = Backoff()
    backoff.wait(0)
    assert not backoff.spent(1e9, None)


def test_with_none_at_all_at_once() -> None:
    backoff = Backoff()
    backoff.wait(0)
    assert backoff.spent(0, timedelta(0))


def test_the_limit_counts_from_the_first_failure_since_a_success() -> None:
    backoff = Backoff()
    backoff.wait(0)
    backoff.reset()
    backoff.wait(50)
    backoff.wait(90)
    assert not backoff.spent(109, timedelta(seconds=60))
    assert backoff.spent(111, timedelta(seconds=60))
