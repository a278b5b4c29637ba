"""Kafka clients against the real broker."""

from __future__ import annotations

import socket
import time

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from plumbline.connect.kafka import Record, create_topics, earliest_offsets, end_offsets, produce, topic_partitions
from plumbline.contract.errors import SetupError

pytestmark = pytest.mark.kafka
OLD_MS = 1_357_000_000_000
MINUTE_MS = 60_000


def records(topic: str, count: int, **fields: int) -> list[Record]:
    return [
        Record(topic, b"k%d" % i, b"v%d" % i, OLD_MS + i, [("h", b"x"), ("n", None)], **fields) for i in range(count)
    ]


def read(kafka: dict[str, str], topic: str, partition: int, count: int) -> list[tuple[int, bytes, bytes, int, object]]:
    consumer = Consumer({**kafka, "group.id": "test", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, partition, 0)])
        messages = consumer.consume(count, timeout=10)
        return [(m.offset(), m.key(), m.value(), m.timestamp()[1], m.headers()) for m in messages]
    finally:
        consumer.close()


def test_what_is_produced_is_there_with_its_time_and_headers(kafka: dict[str, str]) -> None:
    create_topics(kafka, {"one": 2})
    seen: list[int] = []
    assert produce(kafka, records("one", 3, partition=1), seen.append) == 3
    assert seen == [3]
    assert read(kafka, "one", 1, 3) == [
        (i, b"k%d" % i, b"v%d" % i, OLD_MS + i, [("h", b"x"), ("n", None)]) for i in range(3)
    ]
    assert end_offsets(kafka, "one") == {0: 0, 1: 3}
    assert earliest_offsets(kafka, "one") == {0: 0, 1: 0}


def test_more_than_the_producers_queue_holds(kafka: dict[str, str]) -> None:
    create_topics(kafka, {"many": 3})
    progress: list[int] = []
    sent = produce(kafka, (Record("many", b"%d" % (i % 977), b"x", OLD_MS) for i in range(250_000)), progress.append)
    assert sent == 250_000
    assert sum(end_offsets(kafka, "many").values()) == 250_000
    assert all(end_offsets(kafka, "many").values())
    assert progress[:2] == [10_000, 20_000]


def test_creating_twice_changes_nothing(kafka: dict[str, str]) -> None:
    create_topics(kafka, {"twice": 2})
    create_topics(kafka, {"twice": 2})
    assert topic_partitions(kafka, "twice") == 2
    with pytest.raises(SetupError, match="topic twice exists with 2 partitions, not 3"):
        create_topics(kafka, {"twice": 3})


def test_a_missing_topic_names_the_nearest(kafka: dict[str, str]) -> None:
    create_topics(kafka, {"voyages.departures": 1})
    with pytest.raises(SetupError, match=r"voyages\.departure does not exist.*did you mean voyages\.departures"):
        end_offsets(kafka, "voyages.departure")


def test_producing_to_a_missing_topic_is_an_error(kafka: dict[str, str]) -> None:
    with pytest.raises(SetupError, match=r"producing failed: nowhere: .*[Uu]nknown topic"):
        produce(kafka, records("nowhere", 1))


def test_a_record_over_the_limit_is_an_error(kafka: dict[str, str]) -> None:
    create_topics(kafka, {"large": 1})
    with pytest.raises(SetupError, match="large"):
        produce(kafka, [Record("large", b"k", b"x" * 2_000_000, OLD_MS)])


def test_what_a_default_broker_refuses_is_refused_here_too(kafka: dict[str, str]) -> None:
    """Kafka's default since 4.0: a record may be stamped an hour ahead (KIP-937), unless its topic allows more."""
    create_topics(kafka, {"ahead": 1})
    now = int(time.time() * 1000)
    assert produce(kafka, [Record("ahead", b"k", b"old", 0), Record("ahead", b"k", b"soon", now + 50 * MINUTE_MS)]) == 2
    later = [Record("ahead", b"k", b"later", now + 70 * MINUTE_MS)]
    with pytest.raises(SetupError, match=r"ahead: .*[Ii]nvalid timestamp.*message\.timestamp\.after\.max\.ms"):
        produce(kafka, later)
    setting = AlterConfigOpType.SET
    more = ConfigEntry("message.timestamp.after.max.ms", str(2**63 - 1), incremental_operation=setting)
    topic = ConfigResource(ResourceType.TOPIC, "ahead", incremental_configs=[more])
    admin = AdminClient(kafka)
    admin.incremental_alter_configs([topic])[topic].result()
    assert produce(kafka, later) == 1


def test_no_broker_is_one_quiet_error(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("plumbline.connect.kafka.ANSWER_SECONDS", 1.0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        servers = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(SetupError, match=f"no Kafka broker answers.*bootstrap.servers={servers}"):
        topic_partitions({"bootstrap.servers": servers}, "any")
    assert capfd.readouterr() == ("", "")
