#!/usr/bin/env bash
# On a topic with message.timestamp.type=LogAppendTime a record's time is the broker's: Kafka leaves the producer's times
# in the batch and says by a flag that they do not count. segmentio/kafka-go 0.4.51 (Go) and @platformatic/kafka 2.12.1
# (Node.js) do not look at the flag and return what the producer had said, here 2020-01-01T12:00:00Z; librdkafka, as Kafka's
# own consumer, returns the time of the append. Needs Go, npm, Maven and Java 17.
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
topic = NewTopic("events", 1, 1, config={"message.timestamp.type": "LogAppendTime"})
for made in admin.create_topics([topic]).values():
    made.result(60)
producer = Producer(server)
producer.produce("events", "value", "key", timestamp=1_577_880_000_000)
producer.flush()
consumer = Consumer({**server, "group.id": "c"})
consumer.assign([TopicPartition("events", 0, 0)])
kind, time = consumer.consume(1, 60)[0].timestamp()
print("librdkafka: the broker's time:", kind == 2 and time > 1_700_000_000_000)
PY
venv/bin/python write.py "127.0.0.1:$port" 2>log2 | tee seen || { cat log2 >&2; exit 1; }
mkdir read
cat >read/go.mod <<'MOD'
module read

go 1.24
MOD
cat >read/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/segmentio/kafka-go"
)

func main() {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{os.Args[1]}, Topic: "events"})
	message, err := reader.ReadMessage(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println("kafka-go:", message.Time.UnixMilli())
}
GO
(cd read && export GOFLAGS=-mod=mod && go get github.com/segmentio/kafka-go@v0.4.51 && go build -o ../reader .) >>log2 2>&1 || { cat log2 >&2; exit 1; }
./reader "127.0.0.1:$port" | tee -a seen
npm install --silent --no-audit --no-fund node@22.23.3 @platformatic/kafka@2.12.1 >>log2 2>&1 || { cat log2 >&2; exit 1; }
cat >read.mjs <<'JS'
import { Consumer } from '@platformatic/kafka'

const options = { groupId: 'group', clientId: 'client', bootstrapBrokers: [process.argv[2]], autocommit: false }
const consumer = new Consumer(options)
const stream = await consumer.consume({ topics: ['events'], mode: 'earliest' })
stream.on('data', message => {
  console.log('@platformatic/kafka:', Number(message.timestamp))
  process.exit()
})
JS
node_modules/.bin/node read.mjs "127.0.0.1:$port" 2>>log2 | tee -a seen
diff seen - <<'SEEN' && echo "as described"
librdkafka: the broker's time: True
kafka-go: 1577880000000
@platformatic/kafka: 1577880000000
SEEN
