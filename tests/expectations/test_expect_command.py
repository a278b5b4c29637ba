"""`plumbline expect` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline.connect.home import Home
from tests.support.commands import Done, in_a_process, in_here
from tests.support.shop_rows import Fill, good, row


def expect(*arguments: object, home: Home, how: Callable[..., Done] = in_here) -> Done:
    return how("expect", *arguments, "--home", home.root, folder=home.root)


def test_both_outputs_hold(contract_file: Path, home: Home, fill: Fill) -> None:
    for table in ("joined.stream", "joined.batch"):
        fill(good(), table=table)
    done = expect(contract_file, home=home, how=in_a_process)
    assert done.returncode == 0, done.stderr
    assert "stream: joined.stream, 4 rows" in done.stdout
    assert "batch: joined.batch, 4 rows" in done.stdout
    assert done.stdout.count("26 of 26 expectations hold") == 2


def test_a_fault_ends_with_1_and_is_shown(contract_file: Path, home: Home, fill: Fill) -> None:
    fill([*good(), row(1)])
    done = expect(contract_file, "--on", "stream", home=home)
    assert done.returncode == 1, done.stderr
    assert "unique _left_partition, _left_offset, _right_partition, _right_offset: 2 unexpected" in done.stdout
    assert "id=s1, _left_partition=0, _left_offset=1" in done.stdout
    assert "25 of 26 expectations hold" in done.stdout


def test_json_is_one_document_and_files_are_written(contract_file: Path, home: Home, fill: Fill) -> None:
    fill([*good(), row(4, clicked_at=None)])
    files = home.root / "suite.json", home.root / "results.json"
    page = home.root / "page.html"
    day = ("--date", "2020-05-01")
    done = expect(
        contract_file,
        "--on",
        "stream",
        *day,
        "--json",
        "--suite",
        files[0],
        "--results",
        files[1],
        "--page",
        page,
        home=home,
        how=in_a_process,
    )
    document = json.loads(done.stdout)
    assert (done.returncode, document["success"], list(document["tables"])) == (1, False, ["stream"])
    assert document["range"] == {"from": "2020-05-01T00:00:00Z", "to": "2020-05-02T00:00:00Z"}
    [fault] = [one for one in document["tables"]["stream"]["expectations"] if not one["success"]]
    assert fault["sample"][0]["_event_time"] == "2020-05-01T12:04:00Z"
    suite, results = (json.loads(path.read_text()) for path in files)
    assert len(suite["expectations"]) == 26
    assert "Expectations of shop" in page.read_text()
    assert results["stream"]["statistics"]["unsuccessful_expectations"] == 1
    assert results["stream"]["meta"]["snapshot_id"] == document["tables"]["stream"]["snapshot_id"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--on", "left"], 2, "'left' is not one of 'outputs', 'stream', 'batch', 'sources', 'staging'"),
        (["--on", "staging"], 2, "--on staging cannot be combined and needs a replay"),
        (["--on", "staging", "--replay", "latest"], 2, "there is no replay 'latest'"),
        (["--replay", "latest"], 2, "--replay needs --on staging"),
        (["--on", "sources"], 3, "table raw.shown does not exist"),
        (["--from", "2020-05-01"], 2, "has no time zone"),
        (["--on", "batch"], 3, "joined.batch does not exist"),
        (["--on", "stream", "--suite", "no/folder/suite.json"], 2, "cannot write 'no/folder/suite.json'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], code: int, says: str, contract_file: Path, home: Home, fill: Fill
) -> None:
    fill(good())
    done = expect(contract_file, *arguments, home=home)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(errors)) == (code, 1)
    assert says in errors[0]
    assert "Traceback" not in done.stderr
