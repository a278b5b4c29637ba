"""Kafka properties: the allow-list and both clients' words."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.connect import kafka
from plumbline.connect.kafka import client_config, spark_options
from plumbline.connect.kafka_read import Reader
from plumbline.connect.kafka_transactions import Transactions
from plumbline.contract.errors import SetupError, UsageError

PLAIN = {"bootstrap.servers": "broker:9092"}


def test_plain_servers() -> None:
    assert client_config(PLAIN) == PLAIN
    assert spark_options(PLAIN) == {
        "kafka.bootstrap.servers": "broker:9092",
        "kafka.isolation.level": "read_committed",
    }


def test_the_isolation_level_is_the_consumers_alone() -> None:
    properties = {**PLAIN, "isolation.level": "read_uncommitted"}
    assert client_config(properties) == PLAIN
    assert spark_options(properties)["kafka.isolation.level"] == "read_uncommitted"
    with pytest.raises(UsageError, match=r"'committed' is not one of Kafka's.*read_committed, read_uncommitted"):
        client_config({**PLAIN, "isolation.level": "committed"})


def test_an_unknown_property_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"bootstrap\.server is not allowed.*did you mean bootstrap\.servers"):
        client_config({"bootstrap.server": "x"})


@pytest.mark.parametrize("key", ["group.id", "enable.idempotence", "auto.offset.reset", "plugin.library.paths"])
def test_what_would_change_the_semantics_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="not allowed"):
        spark_options({**PLAIN, key: "x"})


def test_missing_servers() -> None:
    with pytest.raises(SetupError, match=r"bootstrap\.servers is missing"):
        client_config({"client.id": "x"})


def test_user_and_password_become_the_jvms_login() -> None:
    properties = {
        **PLAIN,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "ann",
        "sasl.password": 'a"b',
    }
    options = spark_options(properties)
    assert options["kafka.sasl.mechanism"] == "SCRAM-SHA-512"
    assert "kafka.sasl.password" not in options
    assert options["kafka.sasl.jaas.config"] == (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="ann" password="a\\"b";'
    )
    assert client_config(properties)["sasl.password"] == 'a"b'


def test_one_spelling_of_the_files_of_tls_serves_both_clients(tmp_path: Path) -> None:
    names = {"ssl.ca.location": "ca", "ssl.certificate.location": "own", "ssl.key.location": "key"}
    files = {name: str(tmp_path / file) for name, file in names.items()}
    for file in names.values():
        (tmp_path / file).write_text(f"-----{file}-----")
    properties = {**PLAIN, **files, "ssl.key.password": "S3cret", "ssl.endpoint.identification.algorithm": "none"}
    assert client_config(properties) == properties
    assert {name.removeprefix("kafka.ssl."): value for name, value in spark_options(properties).items()} == {
        "kafka.bootstrap.servers": PLAIN["bootstrap.servers"],
        "kafka.isolation.level": "read_committed",
        "truststore.type": "PEM",
        "truststore.certificates": "-----ca-----",
        "keystore.type": "PEM",
        "keystore.certificate.chain": "-----own-----",
        "keystore.key": "-----key-----",
        "key.password": "S3cret",
        "endpoint.identification.algorithm": "",
    }
    with pytest.raises(SetupError, match=r"the file of ssl\.ca\.location cannot be read: No such file"):
        spark_options({**PLAIN, "ssl.ca.location": "/nowhere"})


def test_jvm_only_properties_do_not_reach_librdkafka() -> None:
    properties = {**PLAIN, "ssl.truststore.location": "/t.jks", "ssl.ca.location": "/ca.pem"}
    assert client_config(properties) == {**PLAIN, "ssl.ca.location": "/ca.pem"}
    assert spark_options(properties)["kafka.ssl.truststore.location"] == "/t.jks"
    assert "kafka.ssl.ca.location" not in spark_options(properties)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"sasl.nonsense": "S3cretWord"}, 'No such configuration property: "sasl.nonsense"'),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere"}, "ssl.ca.location failed"),
        ({"security.protocol": "SSL", "ssl.key.pem": "S3cretWord"}, "ssl.key.pem failed"),
        ({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}, "sasl.username and sasl.password must be"),
        ({"sasl.oauthbearer.method": "S3cretWord"}, "Invalid value .* for configuration property"),
    ],
)
def test_a_value_that_the_client_does_not_take_is_one_line(properties: dict[str, str], message: str) -> None:
    for ask in (
        lambda: kafka.end_offsets({**PLAIN, **properties}, "t"),
        lambda: kafka.produce({**PLAIN, **properties}, []),
        lambda: Reader({**PLAIN, **properties}),
        lambda: Transactions({**PLAIN, **properties}, "t"),
    ):
        with pytest.raises(UsageError, match=message) as told:
            ask()
        assert "S3cret" not in str(told.value)
