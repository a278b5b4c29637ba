"""The ids that Kafka gives its topics (KIP-516): what tells a topic from one that was recreated under its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plumbline.connect.kafka import admin_client
from plumbline.connect.kafka_refusals import ANSWER_SECONDS, unanswered


def topic_ids(
    properties: Mapping[str, str], topics: Iterable[str], within_seconds: float = ANSWER_SECONDS
) -> dict[str, str | None]:
    """`{topic: id}`; None where the broker gives none (before Kafka 2.8). A topic that does not exist is left out.

    Raises UnreachableError when no broker answers.
    """
    from confluent_kafka import KafkaError, KafkaException, TopicCollection

    found: dict[str, str | None] = {}
    admin = admin_client(properties)
    asked = admin.describe_topics(TopicCollection(sorted(set(topics))), request_timeout=within_seconds)
    for topic, answer in asked.items():
        try:
            given = answer.result().topic_id
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            raise unanswered(admin, properties, error, "Describe", topic) from None
        zero = not given.get_most_significant_bits() and not given.get_least_significant_bits()
        found[topic] = None if zero else str(given)
    return found
