#!/usr/bin/env bash
# @platformatic/kafka 2.12.1 (Node.js) on Kafka 4.1.0: a consumer that reads committed records only leaves out the last
# aborted transaction of a producer in each answer of the broker and returns the records of all earlier ones: it keeps
# one aborted transaction for each producer id. Needs npm, Maven and Java 17.
set -euo pipefail
work=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || { kill -9 "$broker"; wait "$broker" || true; } 2>/dev/null; chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check confluent-kafka==2.16.1
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
log.retention.ms=-1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
CONF
java -cp 'lib/*' kafka.tools.StorageTool format -t "$(python3 -c 'import base64, uuid; print(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22])')" -c server.properties >log 2>&1
java -Xmx512m -cp 'lib/*' kafka.Kafka server.properties >>log 2>&1 &
broker=$!
cat >write.py <<'PY'
import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

server = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(server)
for made in admin.create_topics([NewTopic("events", 1, 1)]).values():
    made.result(60)
producer = Producer({**server, "transactional.id": "one"})
producer.init_transactions(60)
for end in ("committed", "aborted", "committed", "aborted", "aborted", "committed"):
    producer.begin_transaction()
    producer.produce("events", end, "k")
    producer.flush()
    (producer.commit_transaction if end == "committed" else producer.abort_transaction)(60)
consumer = Consumer({**server, "group.id": "c", "isolation.level": "read_committed"})
consumer.assign([TopicPartition("events", 0, 0)])
print("librdkafka, read committed:", *(f"{m.offset()}={m.value().decode()}" for m in consumer.consume(3, 60)))
PY
venv/bin/python write.py "127.0.0.1:$port" 2>log2 | tee seen || { cat log2 >&2; exit 1; }
npm install --silent --no-audit --no-fund node@22.23.3 @platformatic/kafka@2.12.1 >>log2 2>&1 || { cat log2 >&2; exit 1; }
cat >read.mjs <<'JS'
import { Consumer } from '@platformatic/kafka'

const options = { groupId: 'group', clientId: 'client', bootstrapBrokers: [process.argv[2]], autocommit: false }
const consumer = new Consumer(options)
const stream = await consumer.consume({ topics: ['events'], mode: 'earliest', isolationLevel: 1 })
const seen = []
stream.on('data', message => seen.push(`${message.offset}=${message.value}`))
await new Promise(resolve => setTimeout(resolve, 10000))
console.log('@platformatic/kafka, read committed:', ...seen)
process.exit()
JS
node_modules/.bin/node read.mjs "127.0.0.1:$port" 2>>log2 | tee -a seen
diff seen - <<'SEEN' && echo "as described"
librdkafka, read committed: 0=committed 4=committed 10=committed
@platformatic/kafka, read committed: 0=committed 2=aborted 4=committed 6=aborted 10=committed
SEEN
