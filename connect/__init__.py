"""Doors to the outside: Java and jars, the local Kafka broker, Kafka clients, the lake, Spark, snapshots in DuckDB."""
