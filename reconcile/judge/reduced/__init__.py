"""Compares tables of a contract that reduces a source: which event of a window the stream should have taken."""
