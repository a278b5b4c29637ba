"""A command that is copied from a report does what it says: a shell takes each value as it is, all of it is seen."""

from __future__ import annotations

import subprocess

import pytest

from plumbline.contract.ranges import TimeRange, parse_time
from plumbline.contract.safe_text import shown
from plumbline.reconcile.report.next_commands import Commands, pieces, word
from tests.support.hostile import HOSTILE

TYPEABLE = {name: text for name, text in HOSTILE.items() if name not in ("null", "lone surrogate")}
"""No argument can hold these two: NUL ends one, and a lone surrogate is no character."""


@pytest.fixture(scope="module")
def taken() -> dict[str, str]:
    """What one bash makes of each word."""
    script = "\n".join(f"printf '%s\\0' {word(text)}" for text in TYPEABLE.values())
    run = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    return dict(zip(TYPEABLE, run.stdout.decode().split("\0"), strict=False))


@pytest.mark.parametrize("name", TYPEABLE)
def test_a_shell_takes_the_value_as_it_is(name: str, taken: dict[str, str]) -> None:
    assert taken[name] == TYPEABLE[name]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_read_is_what_is_copied(text: str) -> None:
    command = Commands(text).explain([("key", text)])
    assert shown(command) == command


def test_a_key_of_several_columns_names_each() -> None:
    assert Commands("c.yaml").explain([("user id", "7"), ("event", "a b")]) == (
        "plumbline explain --key 'user id=7' --key 'event=a b' --contract c.yaml"
    )


def test_null_is_written_as_no_text_can_be() -> None:
    assert Commands().explain([("user", None), ("event", "NULL")]) == (
        "plumbline explain --null user --key event=NULL --contract CONTRACT"
    )
    assert Commands().explain([("user", None)]) == "plumbline explain --null user --contract CONTRACT"
    assert Commands().explain([("user", "NULL")]) == "plumbline explain NULL --contract CONTRACT"


def test_a_key_that_looks_like_an_option_is_none() -> None:
    assert Commands().explain([("key", "--execute")]) == "plumbline explain --key key=--execute --contract CONTRACT"


def test_an_open_range_has_no_option_for_its_open_end() -> None:
    since = TimeRange(parse_time("2024-03-01T00:00Z"))
    assert Commands("c.yaml", " --home h").batch(since) == (
        "plumbline batch run c.yaml --home h --from 2024-03-01T00:00:00Z"
    )


def test_an_option_stays_beside_its_value() -> None:
    line = "plumbline replay run latest --home my\\ lake --from 1 --execute"
    found = pieces(line)
    assert " ".join(found) == line
    assert found == ["plumbline", "replay", "run", "latest", "--home my\\", "lake", "--from 1", "--execute"]


def test_the_page_is_made_again_from_all_its_runs_where_it_lies() -> None:
    assert Commands("c.yaml").report(["a1", "b2"], "my page.html") == (
        "plumbline report c.yaml --run a1 --run b2 --out 'my page.html'"
    )
