"""Wrong contracts, one change of the example each: how sources are joined, and where the rows go."""

from __future__ import annotations

JOIN_CASES: dict[str, tuple[str, str, str | None, str, str]] = {
    "a list of joins with an unknown right field": (
        "  on:\n    view_id: view",
        "  on:\n    - view_id: view\n    - user_id: usr_id",
        "usr_id",
        "join.on.1.user_id: buys has no field 'usr_id'",
        "did you mean 'user_id'?",
    ),
    "a list of joins with a number": (
        "  on:\n    view_id: view",
        "  on:\n    - view_id: 5",
        "view_id: 5",
        "join.on.0.view_id: ",
        "(found 5)",
    ),
    "a list of joins with a field twice": (
        "  on:\n    view_id: view",
        "  on:\n    - view_id: view\n    - {view_id: view}",
        "{view_id: view}",
        "join.on.1.view_id: 'view_id' is joined twice",
        "keep one",
    ),
    "a list of joins with nothing in it": (
        "  on:\n    view_id: view",
        "  on: [{}]",
        "[{}]",
        "join.on.0: an empty mapping",
        "{left field: right field}",
    ),
    "a namespace in a namespace, which the local lake has not": (
        "archive: raw.views",
        "archive: raw.site.views",
        "raw.site.views",
        "sources.views.archive: table 'raw.site.views' has 3 parts",
        "namespace.table",
    ),
    "an interval that Spark's arithmetic cannot hold": (
        "within: [-5 minutes, 2 hours]",
        "within: [-5 minutes, 200000000 days]",
        "200000000 days",
        "'200000000 days' is too long",
        "at most 4000000 days",
    ),
    "a month, which has no length": (
        "within: [-5 minutes, 2 hours]",
        "within: [-5 minutes, 1 month]",
        "1 month",
        "'1 month' is not a duration",
        "a number and a unit",
    ),
}
