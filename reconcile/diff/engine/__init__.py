"""The keyed diff of two DuckDB relations in bounded memory: `compare.compare` and what it returns."""
