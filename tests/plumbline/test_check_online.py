"""`check --online` on a real broker with access lists and a lake of this disk: what is there, and what is permitted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.connect import broker, broker_files, kafka
from plumbline.connect.home import Home

pytestmark = pytest.mark.kafka

ACLS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose broker holds users to its access lists, with a contract and its two topics."""
    made, plain = Home.resolve(tmp_path_factory.mktemp("online") / "home"), broker_files.config
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker_files, "config", lambda *ports: plain(*ports) | ACLS)
        properties = {"bootstrap.servers": broker.start(made).bootstrap_servers}
    kafka.create_topics(properties, {"impressions": 3, "plays": 2})
    assert run(["init", str(contract(made))]) == 0
    yield made
    broker.stop(made)


def contract(home: Home) -> Path:
    return home.root.parent / "first.yaml"


def checked(home: Home, *more: str) -> int:
    return run(["check", str(contract(home)), "--online", "--home", str(home.root), *more])


def deny(home: Home, topic: str, operation: str) -> None:
    """Let this user do all but one thing with a topic."""
    from confluent_kafka.admin import (
        AclBinding,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    there = broker.status(home)
    assert there is not None
    of: Any = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*")
    acls = [
        AclBinding(*of, AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(*of, AclOperation[operation], AclPermissionType.DENY),
    ]
    for made in kafka.admin_client({"bootstrap.servers": there.bootstrap_servers}).create_acls(acls).values():
        made.result(10)


def test_topics_tables_and_rights_are_found(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(home, "--json") == 0
    online = json.loads(capsys.readouterr().out)["online"]
    assert online["topics"] == {"impressions": 3, "plays": 2}
    assert set(online["tables"].values()) == {False}
    assert [(right["service"], right["right"], right["on"]) for right in online["rights"][:4]] == [
        ("broker", "describe", "impressions"),
        ("broker", "describe", "plays"),
        ("broker", "read", "impressions"),
        ("broker", "read", "plays"),
    ]
    tried = [(right["service"], right["right"]) for right in online["rights"][4:]]
    assert tried == [("catalog", "read"), *(("warehouse", right) for right in ("write", "read", "list", "delete"))]
    assert list((home.lake / "warehouse").iterdir()) == []
    assert checked(home) == 0
    assert "delete file:///" in capsys.readouterr().out


def test_a_right_that_the_broker_refuses_is_named(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    deny(home, "plays", "READ")
    assert checked(home) == 3
    assert "does not permit this user to read topic plays" in capsys.readouterr().err
    deny(home, "impressions", "DESCRIBE")
    assert checked(home) == 3
    told = capsys.readouterr().err
    assert "does not permit this user to describe topic impressions" in told
    assert "ACL operation Describe" in told
