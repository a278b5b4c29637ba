#!/usr/bin/env bash
# segmentio/kafka-go 0.4.51 (Go) on Kafka 4.1.0: a Reader with IsolationLevel ReadCommitted returns the records of aborted
# transactions, and the markers that end each transaction as messages of six bytes, as if it were ReadUncommitted. Only
# what is still open is held back, which is the broker's doing. Needs Go, Maven and Java 17.
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
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{os.Args[1]}, Topic: "events", IsolationLevel: kafka.ReadCommitted, MaxWait: time.Second,
	})
	fmt.Print("kafka-go, read committed:")
	for {
		wait, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		message, err := reader.ReadMessage(wait)
		cancel()
		if err != nil {
			break
		}
		value := string(message.Value)
		if value[0] == 0 {
			value = fmt.Sprintf("%x", value)
		}
		fmt.Printf(" %d=%s", message.Offset, value)
	}
	fmt.Println()
}
GO
(cd read && export GOFLAGS=-mod=mod && go get github.com/segmentio/kafka-go@v0.4.51 && go build -o ../reader .) >>log2 2>&1 || { cat log2 >&2; exit 1; }
./reader "127.0.0.1:$port" | tee -a seen
diff seen - <<'SEEN' && echo "as described"
librdkafka, read committed: 0=committed 4=committed 10=committed
kafka-go, read committed: 0=committed 1=000000000000 2=aborted 3=000000000000 4=committed 5=000000000000 6=aborted 7=000000000000 8=aborted 9=000000000000 10=committed 11=000000000000
SEEN
