"""Rebuilding a lost checkpoint of the join from the epoch ledger, the archive and Kafka: `plumbline stream recover`."""
