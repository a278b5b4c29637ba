#!/usr/bin/env bash
# confluent-kafka 2.16.1 (Python): when an idempotent producer meets a fatal error (no right to write, too old a broker),
# what `flush` raises depends on what the delivery callback does, since it is called while the exception is already set:
# a KafkaException, a SystemError, or a KafkaError, which is no exception of Python's: `except BaseException` lets it pass.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check confluent-kafka==2.16.1
cd "$work"
cat > send.py <<'PY'
import sys

from confluent_kafka import KafkaException, Producer

failed = []
callbacks = {
    "does nothing": lambda error, message: None,
    "keeps it": lambda error, message: failed.append(error),
    "prints": lambda error, message: print("not delivered"),
}
# librdkafka's own mock of a broker, in the words of one that knows no idempotent producers.
mock = {"test.mock.num.brokers": 1, "api.version.request": False, "broker.version.fallback": "0.9.0"}
producer = Producer({**mock, "enable.idempotence": True})
producer.produce("topic", b"value", on_delivery=callbacks[sys.argv[1]])
try:
    producer.flush(30)
except KafkaException:
    print("KafkaException")
except BaseException as error:
    print("caught", type(error).__name__)
PY
for callback in "does nothing" "keeps it" "prints"; do
  echo "the callback $callback:"
  "$work/venv/bin/python" send.py "$callback" 2> told || tail -1 told | sed -E 's/^.*(KafkaError)\{FATAL,code=(\w+).*/not caught: \1 \2/'
done | tee seen
diff seen - <<'SEEN' && echo "as described"
the callback does nothing:
KafkaException
the callback keeps it:
caught SystemError
the callback prints:
not caught: KafkaError _UNSUPPORTED_FEATURE
SEEN
