"""Compares tables that hold the newest row per key: which of the batch's rows should stand in the stream table."""
