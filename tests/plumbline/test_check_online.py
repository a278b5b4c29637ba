"""`check --online` on a real broker with access lists and a lake of this disk: what is there, and what is permitted.

The broker has a second listener, by TLS and with a password: what happens where these are wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.connect import broker, broker_files, kafka
from plumbline.connect.home import Home
from plumbline.connect.kafka_read import Reader
from plumbline.connect.kafka_topics import topic_ids
from plumbline.contract.errors import SetupError, UnreachableError
from tests.support.ports import free_ports
from tests.support.secured_brokers import certify

pytestmark = pytest.mark.kafka

PASSWORD = "S3cret-of-ann"
ACLS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose broker holds users to its access lists, with a contract and its two topics."""
    made, config = Home.resolve(tmp_path_factory.mktemp("online") / "home"), broker_files.config
    certify(made.root.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker_files, "config", lambda *ports: with_login(config(*ports) | ACLS, made.root.parent))
        properties = {"bootstrap.servers": broker.start(made).bootstrap_servers}
    kafka.create_topics(properties, {"impressions": 3, "plays": 2})
    assert run(["init", str(contract(made))]) == 0
    yield made
    broker.stop(made)


def with_login(config: dict[str, str], certificates: Path) -> dict[str, str]:
    """The broker's settings with a listener by TLS for the user ann on the port in the file `login`."""
    [port] = free_ports(1)
    (certificates / "login").write_text(str(port))
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    more = {
        "listeners": f",LOGIN://127.0.0.1:{port}",
        "advertised.listeners": f",LOGIN://127.0.0.1:{port}",
        "listener.security.protocol.map": ",LOGIN:SASL_SSL",
    }
    return {name: value + more.get(name, "") for name, value in config.items()} | {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": f'{module} required user_ann="{PASSWORD}";',
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates / "broker.pem"),
    }


def plain(home: Home) -> dict[str, str]:
    """Client properties of a user without a name."""
    there = broker.status(home)
    assert there is not None
    return {"bootstrap.servers": there.bootstrap_servers}


def login(home: Home) -> dict[str, str]:
    """Client properties of the user ann."""
    folder = home.root.parent
    return {
        "bootstrap.servers": f"127.0.0.1:{(folder / 'login').read_text()}",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ann",
        "sasl.password": PASSWORD,
        "ssl.ca.location": str(folder / "ca.pem"),
    }


def contract(home: Home) -> Path:
    return home.root.parent / "first.yaml"


def checked(home: Home, *more: str) -> int:
    return run(["check", str(contract(home)), "--online", "--home", str(home.root), *more])


def deny(home: Home, name: str, operation: str, kind: str = "TOPIC", user: str = "ANONYMOUS") -> None:
    """Let a user do all but one thing with a topic, or groups of that name."""
    from confluent_kafka.admin import (
        AclBinding,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    of: Any = (ResourceType[kind], name, ResourcePatternType.LITERAL, f"User:{user}", "*")
    acls = [
        AclBinding(*of, AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(*of, AclOperation[operation], AclPermissionType.DENY),
    ]
    for made in kafka.admin_client(plain(home)).create_acls(acls).values():
        made.result(10)


def test_topics_tables_and_rights_are_found(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(home, "--json") == 0
    online = json.loads(capsys.readouterr().out)["online"]
    assert online["topics"] == {"impressions": 3, "plays": 2}
    assert set(online["tables"].values()) == {False}
    assert [(right["service"], right["right"], right["on"]) for right in online["rights"][:6]] == [
        ("broker", "describe", "impressions"),
        ("broker", "describe", "plays"),
        ("broker", "read", "impressions"),
        ("broker", "read", "plays"),
        ("broker", "describe_configs", "impressions"),
        ("broker", "describe_configs", "plays"),
    ]
    tried = [(right["service"], right["right"]) for right in online["rights"][6:]]
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


def test_no_group_is_needed(home: Home) -> None:
    """A reader names no place in a group, and librdkafka's look for the group's coordinator is refused in vain."""
    kafka.create_topics(plain(home), {"alone": 1})
    kafka.produce(plain(home), [kafka.Record("alone", b"k", b"v", 1_767_571_200_000)])
    deny(home, "plumbline-reader", "DESCRIBE", "GROUP")
    deny(home, "plumbline-reader", "READ", "GROUP")
    with Reader(plain(home)) as reader:
        assert [message.value() for message in reader.records("alone", {0: (0, 1)})] == [b"v"]


@pytest.mark.parametrize(
    ("operation", "ask", "message"),
    [
        ("DESCRIBE", lambda kafka_of, topic: topic_ids(kafka_of, [topic]), "describe topic"),
        ("DESCRIBE_CONFIGS", kafka.compacted, "see the settings of topic"),
        ("WRITE", lambda kafka_of, topic: kafka.produce(kafka_of, [kafka.Record(topic, b"k", b"v", 0)]), "write topic"),
    ],
)
def test_each_right_that_is_missing_is_one_true_line(
    home: Home, operation: str, ask: Callable[[dict[str, str], str], object], message: str
) -> None:
    topic = f"without-{operation}"
    kafka.create_topics(plain(home), {topic: 1})
    deny(home, topic, operation, user="ann")
    with pytest.raises(SetupError, match=f"the broker does not permit this user to {message} {topic}"):
        ask(login(home), topic)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sasl.password": "another-swordfish"},
            "the broker refuses the login: .*Invalid username or password.*correct sasl.mechanism",
        ),
        ({"sasl.mechanism": "SCRAM-SHA-512"}, "the broker refuses the login: .*supported mechanisms: PLAIN"),
        ({"ssl.ca.location": "other-ca.pem"}, "the broker's certificate is not trusted.* as ssl.ca.location"),
        ({"security.protocol": "PLAINTEXT"}, "no Kafka broker answers.*check the address and security.protocol"),
        ({"bootstrap.servers": "127.0.0.1:1"}, "no Kafka broker answers.*Connection refused"),
    ],
    ids=["password", "mechanism", "authority", "protocol", "address"],
)
def test_who_does_not_get_in_is_told_why(
    home: Home, changes: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.create_topics(plain(home), {"open": 1})
    assert kafka.end_offsets(login(home), "open") == {0: 0}
    monkeypatch.setattr("plumbline.connect.kafka.ANSWER_SECONDS", 1.0)
    monkeypatch.chdir(home.root.parent)
    for ask in (kafka.end_offsets, kafka.earliest_offsets, kafka.topic_partitions):
        with pytest.raises(SetupError, match=message) as told:
            ask(login(home) | changes, "open")
        assert isinstance(told.value, UnreachableError) is ("no Kafka broker" in message)
        assert PASSWORD not in str(told.value)
