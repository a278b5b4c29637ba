#!/usr/bin/env bash
# segmentio/kafka-go 0.4.51 (Go): a Reader returns an empty value as nil, as it does a tombstone. Whoever copies a topic
# with it writes tombstones where the values were empty, so that a compacted copy loses these keys, and whoever takes nil
# for a delete deletes them. The same library writes an empty value as one. Needs Go, Maven and Java 17.
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

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

server = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(server)
for made in admin.create_topics([NewTopic("events", 1, 1), NewTopic("copy", 1, 1)]).values():
    made.result(60)
producer = Producer(server)
for value in ("full", "", None):
    producer.produce("events", value, "key")
producer.flush()
PY
cat >read.py <<'PY'
import sys

from confluent_kafka import Consumer, TopicPartition

for topic in ("events", "copy"):
    consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "c"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    print(f"{topic}:", *(message.value() for message in consumer.consume(3, 60)))
PY
venv/bin/python write.py "127.0.0.1:$port" 2>log2 || { cat log2 >&2; exit 1; }
mkdir relay
cat >relay/go.mod <<'MOD'
module relay

go 1.24
MOD
cat >relay/main.go <<'GO'
package main

import (
	"context"
	"os"

	"github.com/segmentio/kafka-go"
)

func main() {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{os.Args[1]}, Topic: "events"})
	writer := kafka.Writer{Addr: kafka.TCP(os.Args[1]), Topic: "copy"}
	for i := 0; i < 3; i++ {
		message, err := reader.ReadMessage(context.Background())
		if err == nil {
			err = writer.WriteMessages(context.Background(), kafka.Message{Key: message.Key, Value: message.Value})
		}
		if err != nil {
			panic(err)
		}
	}
}
GO
(cd relay && export GOFLAGS=-mod=mod && go get github.com/segmentio/kafka-go@v0.4.51 && go build -o ../copy .) >>log2 2>&1 || { cat log2 >&2; exit 1; }
./copy "127.0.0.1:$port"
venv/bin/python read.py "127.0.0.1:$port" 2>>log2 | tee seen
diff seen - <<'SEEN' && echo "as described"
events: b'full' b'' None
copy: b'full' None None
SEEN
