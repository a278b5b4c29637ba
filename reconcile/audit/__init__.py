"""All of `plumbline audit`: which Kafka offsets an Iceberg table holds twice, lacks, or cannot have from its topic."""
