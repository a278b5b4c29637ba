#!/usr/bin/env bash
# quixstreams 3.28.1 on Kafka 4.1.0, join_interval with forward_ms of an hour and a grace of a day: a play ten minutes
# after its impression is joined if it is read after the impression, and lost, without a word, if it is read before it: a
# record looks only for partners that are not newer than itself. So the rows depend on which of two topics a consumer
# gets ahead with, as when it catches up after a stop. With how="left" an impression that is played has both rows, the one
# without a play and the one with it. Needs Maven and Java 17.
set -euo pipefail
work=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || { kill -9 "$broker"; wait "$broker" || true; } 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check quixstreams==3.28.1 confluent-kafka==2.12.2
cat >pom.xml <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>f</groupId><artifactId>f</artifactId><version>1</version>
  <dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.1.0</version></dependency></dependencies>
</project>
POM
mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >log 2>&1 || { cat log >&2; exit 1; }
ports=$(python3 -c 'import socket; s = [socket.socket() for _ in "ab"]; [one.bind(("127.0.0.1", 0)) for one in s]; print(*(one.getsockname()[1] for one in s))')
read -r port control <<<"$ports"
cat >server.properties <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$control
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$control
log.dirs=$work/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
CONF
java -cp 'lib/*' kafka.tools.StorageTool format -t "$(python3 -c 'import base64, uuid; print(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22])')" -c server.properties >log 2>&1
java -Xmx512m -cp 'lib/*' kafka.Kafka server.properties >>log 2>&1 &
broker=$!
cat >join.py <<'PY'
import sys
from datetime import timedelta

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from quixstreams import Application

address, noon = sys.argv[1], 1_767_268_800_000
admin, producer = AdminClient({"bootstrap.servers": address}), Producer({"bootstrap.servers": address})


def rows(how, *order):
    """The rows of a join that reads an impression of 12:00 and its play of 12:10 in this order."""
    name = "-".join((how, *order))
    topics = {"shown": f"{name}-shown", "played": f"{name}-played"}
    for made in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics.values()]).values():
        made.result(60)
    found = []
    for event in order:
        producer.produce(topics[event], f'"{event}"', "k", timestamp=noon + 600_000 * (event == "played"))
        producer.flush()
        app = Application(address, consumer_group=name, auto_offset_reset="earliest", state_dir="state", loglevel=None)
        shown, played = (app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="str")) for topic in topics.values())
        within = {"forward_ms": timedelta(hours=1), "grace_ms": timedelta(days=1)}
        shown.join_interval(played, how=how, on_merge=lambda left, right: {"row": f"{left}+{right}"}, **within)
        found += [row["row"] for row in app.run(timeout=8)]
    return found


for how in ("inner", "left"):
    for order in (("shown", "played"), ("played", "shown")):
        print(f"{how}, read as {' then '.join(order)}: {rows(how, *order)}", flush=True)
PY
venv/bin/python join.py "127.0.0.1:$port" 2>log2 | tee seen || { cat log2 >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
inner, read as shown then played: ['shown+played']
inner, read as played then shown: []
left, read as shown then played: ['shown+None', 'shown+played']
left, read as played then shown: ['shown+None']
SEEN
