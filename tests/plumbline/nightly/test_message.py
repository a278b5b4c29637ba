"""The message of a nightly: what it says, and that no value can be more than text in it."""

from __future__ import annotations

import json

import pytest

from plumbline.nightly.message import MOST_NIGHTS, escaped, line_of, message, severity
from tests.support.hostile import HOSTILE
from tests.support.nights import failing, night

SLACK = ["<!here|now>", ":rotating_light:", '"}],"text":"injected', "\U0001f480" * 5_000]
VALUES = [*(value for value in HOSTILE.values() if value), *SLACK]


def texts(body: dict) -> list[str]:
    return [body["text"], *(block["text"]["text"] for block in body["blocks"])]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value[:24]))
@pytest.mark.parametrize("place", ["column", "why", "report", "cause", "failure"])
def test_a_hostile_value_is_text_and_nothing_else(value: str, place: str) -> None:
    bad = {
        "column": night(failed=[failing(column=value)]),
        "why": night(failed=[failing(why=value)]),
        "report": night(report=value),
        "cause": night("2024-03-01", "drift", causes={value: 3}),
    }.get(place, night())
    body = message("shop", [bad], 2, value if place == "failure" else None)
    json.loads(json.dumps(body).encode())
    for text in texts(body):
        assert "<" not in text
        assert ">" not in text
        assert text.isprintable()
        assert text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("&") == 0
    for block in body["blocks"]:
        assert (block["text"]["type"], block["text"]["emoji"]) == ("plain_text", False)
        assert 0 < len(block["text"]["text"]) <= {"header": 150}.get(block["type"], 3_000)
    assert body["mrkdwn"] is False


def test_entities_are_not_cut_in_two() -> None:
    assert escaped("<" * 300, 10) == "&lt;" * 9 + "…"


def test_the_message_says_how_the_nights_stand() -> None:
    nights = [night("2024-03-01"), night("2024-03-02", "drift"), night("2024-03-03", failed=[failing()])]
    told = texts(message("shop", nights, 4))
    assert told[0] == told[1] == "plumbline nightly shop: 3 days to 2024-03-03, 2 need a look"
    assert told[3] == (
        "2024-03-02 drift: 1,199 of 1,200 batch rows match; late_left 1; 26 of 26 expectations hold; "
        "report nightly/shop/2024-03-01/report.html"
    )
    assert "25 of 26 expectations hold; stream: expectations.between (price)" in told[4]
    assert told[5] == "4 further days are due"


def test_a_failure_is_told_without_any_night() -> None:
    told = texts(message("shop", [], 0, "the catalog does not answer"))
    assert told[1:] == ["plumbline nightly shop: no day, failed", "ended early: the catalog does not answer"]


def test_a_long_catch_up_fits_into_one_message() -> None:
    nights = [night(f"day {number}") for number in range(60)]
    body = message("shop", nights)
    assert len(body["blocks"]) == MOST_NIGHTS + 2 <= 50
    assert body["blocks"][-1]["text"]["text"] == "and 40 earlier days"
    assert body["blocks"][-2]["text"]["text"].startswith("day 59")


@pytest.mark.parametrize(
    ("made", "loud", "quiet"),
    [
        (night(), 0, 0),
        (night(verdict="drift"), 1, 0),
        (night(verdict="drift", alerts=[{"name": "unexplained"}]), 1, 1),
        (night(failed=[failing()]), 1, 1),
        (night(verdict="incomplete"), 3, 3),
    ],
    ids=["clean", "drift", "an alert", "a failed expectation", "incomplete"],
)
def test_what_a_night_asks_for(made: dict, loud: int, quiet: int) -> None:
    assert (severity(made), severity(made, alerts_only=True)) == (loud, quiet)


def test_a_line_names_the_report() -> None:
    assert line_of(night()).endswith("report nightly/shop/2024-03-01/report.html")
