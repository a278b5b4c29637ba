"""The document of `plumbline nightly --json`, as types; docs/schemas/nightly.json is made from them."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from plumbline.contract.document_types import Alert
from plumbline.contract.findings import Cause, Verdict
from plumbline.expectations.document_types import Expectation
from plumbline.reconcile.judge.document_types import TotalCounts


class FailedExpectation(TypedDict):
    """An expectation that does not hold; `on`: stream, batch or sources.NAME."""

    on: str
    expectation: Expectation
    column: str | None
    unexpected: int | None
    why: str


class Night(TypedDict):
    """One day, as plumbline.nights records it. `expectations` counts all; earlier versions wrote no `identity`. `of` is
    there for an aggregate, whose counts and causes are in lines."""

    contract: str
    identity: NotRequired[str]
    day: str
    run_id: str
    verdict: Verdict
    settled: bool
    balanced: bool
    counts: TotalCounts
    causes: dict[Cause, int]
    unexplained: int
    alerts: list[Alert]
    expectations: int
    failed: list[FailedExpectation]
    batch_snapshot: int | None
    report: str
    of: NotRequired[Literal["lines"]]


class NightlyDocument(TypedDict):
    """What `plumbline nightly --json` prints. `last` is the night that stands where none was to report; `message` is
    sent, none, or why it was not sent; `left` and `removed` count days and old nights."""

    contract: str
    nights: list[Night]
    last: Night | None
    left: int
    removed: int
    message: str
    exit_code: Literal[0, 1, 3]
