"""Expectations as pages show them: a section of the drift report, and a page of their own. Pure.

The page stands for Great Expectations' Data Docs, which load scripts and fonts from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_EXAMPLE = 200


def shown(checks: Sequence[Mapping[str, Any]], snapshots: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """What checks.html takes: each check with how many hold, those that do not, and whether it saw another snapshot
    than the run did (`snapshots`: table to id)."""
    return [
        {
            **check,
            "good": sum(one["success"] for one in check["expectations"]),
            "failed": [{**one, "example": _example(one)} for one in check["expectations"] if not one["success"]],
            "other_snapshot": snapshots.get(check["table"], check["snapshot_id"]) != check["snapshot_id"],
        }
        for check in checks
    ]


def render(document: Mapping[str, Any]) -> str:
    """The page of one `plumbline expect`: its document as HTML that needs no network and runs no script."""
    from plumbline.reconcile.report.templating import environment

    checks = [{"subject": subject, **table} for subject, table in document["tables"].items()]
    about = {name: document[name] for name in ("contract", "range", "success")}
    return environment().get_template("checks_page.html").render(about, checks=shown(checks, {}))


def _example(one: Mapping[str, Any]) -> str:
    """The first row that breaks it, else what was observed; cut to a readable length."""
    row = next(iter(one["sample"]), None)
    told = ", ".join(f"{name}={value}" for name, value in row.items()) if row else str(one["observed"] or "")
    return told if len(told) <= MOST_EXAMPLE else told[: MOST_EXAMPLE - 1] + "…"
