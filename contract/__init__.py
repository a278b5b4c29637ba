"""What the streaming join and its batch reference both promise. Pure: no pyspark, no Kafka, no I/O but the file."""
