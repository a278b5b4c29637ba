"""Each wrong contract is refused with the line where it is wrong, the value, and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.contract.errors import ContractError, UsageError
from plumbline.contract.loader import load, parse
from tests.support.visits import ENVIRONMENT, TEXT, changed
from tests.support.wrong_contracts import CASES as OTHER_CASES
from tests.support.wrong_expectations import EXPECTATION_CASES
from tests.support.wrong_joins import JOIN_CASES

BOMB = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
"""Nine lines that YAML's aliases multiply to 43 million parts."""


CASES = OTHER_CASES | JOIN_CASES | EXPECTATION_CASES


@pytest.mark.parametrize(("old", "new", "at", "what", "more"), CASES.values(), ids=CASES.keys())
def test_the_error_names_its_line(old: str, new: str, at: str | None, what: str, more: str) -> None:
    text = changed(old, new)
    with pytest.raises(ContractError) as caught:
        parse(text, "visits.yaml", ENVIRONMENT)
    message = str(caught.value)
    assert what in message
    assert more in message
    assert caught.value.exit_code == 2
    assert "\n" not in message
    if at is not None:
        lines = [number for number, line in enumerate(text.splitlines(), 1) if at in line]
        assert caught.value.where == f"visits.yaml:{lines[-1]}"


def test_a_draft_names_all_lines_that_are_not_filled_in() -> None:
    text = changed("topic: site.views", "topic: FILL_IN").replace("view_id: view\n", "view_id: FILL_IN  # FILL_IN\n")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if "FILL_IN" in line]
    assert len(lines) == 2
    with pytest.raises(ContractError) as caught:
        parse(text, "visits.yaml", ENVIRONMENT)
    assert f"FILL_IN stands on lines {lines[0]} and {lines[1]}" in str(caught.value)
    assert caught.value.where == f"visits.yaml:{lines[0]}"
    with pytest.raises(ContractError, match=r"FILL_IN stands on line 1 \[x.yaml:1\]"):
        parse("FILL_IN: &a [*a]", "x.yaml")
    assert (
        parse(changed("topic: site.views", "topic: FILL_IN_2  # FILL_IN"), "visits.yaml", ENVIRONMENT).left.topic
        == "FILL_IN_2"
    )


def test_two_tables_of_one_name_point_at_the_second() -> None:
    with pytest.raises(ContractError) as caught:
        parse(changed("archive: raw.buys", "archive: raw.views"), "visits.yaml", ENVIRONMENT)
    assert caught.value.where == "visits.yaml:19"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param("", "the contract is empty", id="nothing"),
        pytest.param("# only a comment\n", "the contract is empty", id="a comment"),
        pytest.param("- a\n- b\n", "the contract is not a mapping", id="a list"),
        pytest.param("just text", "the contract is not a mapping", id="a word"),
        pytest.param("a: &a [*a]\n", "contains itself", id="a part within itself"),
        pytest.param("[" * 5000, "nested too deeply.*Next: ", id="a tower"),
        pytest.param("a: " + "x" * 500_000, "at most 500,000 characters", id="a novel"),
        pytest.param(BOMB, "over 50,000 parts", id="a bomb"),
        pytest.param("contract: \x00x", "not readable as YAML", id="a control"),
        pytest.param("contract: [a\n", "not readable as YAML.*Next: correct the file there", id="a broken list"),
    ],
)
def test_what_is_no_contract_at_all(text: str, what: str) -> None:
    with pytest.raises(ContractError, match=what):
        parse(text, "x.yaml")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("contract: caf\xe9".encode("latin-1"))
    with pytest.raises(ContractError, match=r"not UTF-8 text.*Next: save it as UTF-8"):
        load(tmp_path / "latin.yaml")


def test_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "visits.yaml"
    file.write_text(changed("  right: buys", "  right: bys"))
    with pytest.raises(ContractError) as caught:
        load(file, ENVIRONMENT)
    assert caught.value.where == f"{file}:22"


@pytest.mark.parametrize("block", ["kafka", "catalog"])
def test_a_secret_is_never_shown(block: str) -> None:
    text = TEXT.split("kafka:\n")[0] + f"{block}:\n  password: [hunter2, '${{SECRET}}']\n"
    with pytest.raises(ContractError) as caught:
        parse(text, "visits.yaml", {"SECRET": "swordfish"})
    assert f"{block}.password: " in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("block", ["kafka", "catalog", "schema_registry"])
@pytest.mark.parametrize(
    "value",
    ["2026-02-30", "2026-02-30 25:00:00", "*hunter2", "!hunter2 x", "!!python/name:hunter2 x", "!!int hunter2",
     "&hunter2 *hunter3", "!hunter2!x y", "[hunter2", "'hunter2", "{hunter2: *hunter3}", "%hunter2", "@hunter2",
     "!!binary hunter2", "!!timestamp hunter2", "!!bool hunter2", "!!float hunter2", "!!int",
     "hunter2: x", "[2026-02-30]", "{a: 2026-02-30}"],
)  # fmt: skip
def test_a_secret_that_yaml_reads_as_something_else_is_not_shown(block: str, value: str) -> None:
    text = TEXT.split("kafka:\n")[0]
    spelled = f"{block}:\n  bootstrap.servers: b:9\n  sasl.password: {value}\n"
    for whole in (
        text + spelled,
        spelled + text,
        spelled.replace("\n  ", " {", 1).replace("\n  ", ", ") + "}\n" + text,
    ):
        with pytest.raises(ContractError) as caught:
            parse(whole, "visits.yaml", ENVIRONMENT)
        assert "hunter" not in str(caught.value)
        assert "2026" not in str(caught.value)
        assert caught.value.where.startswith("visits.yaml")


def test_elsewhere_the_word_that_yaml_refuses_is_named() -> None:
    with pytest.raises(ContractError, match="undefined alias 'nowhere'"):
        parse(changed("  right: buys", "  right: *nowhere"), "visits.yaml", ENVIRONMENT)
    with pytest.raises(ContractError, match="'2026-02-30' is not readable as"):
        parse(changed("  right: buys", "  right: 2026-02-30"), "visits.yaml", ENVIRONMENT)


def test_what_a_contract_holds_in_its_connections_is_hidden_in_later_errors() -> None:
    text = TEXT.split("kafka:\n")[0] + "kafka:\n  bootstrap.servers: b:9\n  sasl.password: ${PW}\n"
    parse(text, "visits.yaml", {**ENVIRONMENT, "PW": "swordfish-in-use"})
    assert str(UsageError("the broker says: swordfish-in-use is wrong")) == "the broker says: *** is wrong."


def test_a_number_in_a_connection_is_the_text_that_stands_there() -> None:
    text = TEXT.split("kafka:\n")[0] + "kafka: {bootstrap.servers: 'b:9', sasl.password: 0123, sasl.username: 1e5}\n"
    assert parse(text, "visits.yaml", ENVIRONMENT).kafka == {
        "bootstrap.servers": "b:9",
        "sasl.password": "0123",
        "sasl.username": "1e5",
    }
