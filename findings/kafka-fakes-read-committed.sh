#!/usr/bin/env bash
# Fakes of a broker for tests: the mock cluster of librdkafka 2.16 (confluent-kafka 2.16.1, `test.mock.num.brokers`), mockafka-py
# 0.2.3 and kafka-mocha 2.3.0. A consumer with isolation.level=read_committed gets the records of an aborted transaction from each
# of them, and from kafka-mocha the markers as messages too, all with the time of the test in the place of their own. The
# mock cluster answers every time that offsets_for_times asks for with the end of the topic (-1), mockafka with nothing.
# What reads a time range, or must leave out aborted records, passes or fails against them for a reason that is not Kafka's.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "confluent-kafka[schemaregistry]==2.16.1" mockafka-py==0.2.3 \
  kafka-mocha==2.3.0
venv/bin/python - 2>log <<'PY' | tee seen || { tail -5 log >&2; exit 1; }
import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka_mocha import mock_consumer, mock_producer
from mockafka import FakeAdminClientImpl, FakeConsumer, FakeProducer
from mockafka.admin_client import NewTopic

FIRST, SECOND, THIRD = 1767225600000, 1767225601000, 1767225602000
COMMITTED = {"group.id": "g", "isolation.level": "read_committed", "auto.offset.reset": "earliest"}


def three_transactions(producer, *wait):
    for value, time, committed in (("first", FIRST, True), ("aborted", SECOND, False), ("third", THIRD, True)):
        producer.begin_transaction()
        producer.produce(topic="t", key="k", value=value, timestamp=time, partition=0)
        producer.flush()
        if committed:
            producer.commit_transaction(*wait)
        else:
            producer.abort_transaction(*wait)


def read(consumer, wait):
    found = []
    while (message := consumer.poll(wait)) is not None:
        value = message.value()
        value = value.decode() if isinstance(value, bytes) else value
        own_time = message.timestamp()[1] in (FIRST, SECOND, THIRD)
        kind = "a marker" if value.startswith("{") else value
        found.append(kind if own_time else kind + " with another time")
    return ", ".join(found)


producer = Producer({"test.mock.num.brokers": 1, "transactional.id": "t1"})
brokers = producer.list_topics(timeout=10).brokers.values()
producer.init_transactions(10)
three_transactions(producer, 10)
consumer = Consumer({**COMMITTED, "bootstrap.servers": ",".join(f"{one.host}:{one.port}" for one in brokers)})
consumer.assign([TopicPartition("t", 0, 0)])
print("mock cluster:", read(consumer, 5))
times = [consumer.offsets_for_times([TopicPartition("t", 0, time)], timeout=5)[0].offset for time in (FIRST, THIRD)]
print("  offsets for the times of the first and the third:", times)

FakeAdminClientImpl().create_topics([NewTopic(topic="t", num_partitions=1)])
three_transactions(FakeProducer({}))
fake = FakeConsumer(COMMITTED)
fake.subscribe(["t"])
print("mockafka:", read(fake, 0.1))
print("  offsets for the times of the first and the third:", fake.offsets_for_times([TopicPartition("t", 0, FIRST)]))


@mock_producer()
@mock_consumer()
def mocha():
    address = {"bootstrap.servers": "localhost:9092"}
    producer = confluent_kafka.Producer({**address, "transactional.id": "t1", "enable.idempotence": True})
    producer.init_transactions()
    three_transactions(producer)
    consumer = confluent_kafka.Consumer({**COMMITTED, **address})
    consumer.subscribe(["t"])
    print("kafka-mocha:", read(consumer, 1))


mocha()
PY
diff seen - <<'SEEN' && echo "as described"
mock cluster: first, aborted, third
  offsets for the times of the first and the third: [-1, -1]
mockafka: first, aborted, third
  offsets for the times of the first and the third: []
kafka-mocha: first with another time, a marker with another time, aborted with another time, a marker with another time, third with another time, a marker with another time
SEEN
