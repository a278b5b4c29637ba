"""The same diff where the tables outgrow one machine: Spark finds the keys that may differ, and only their rows travel.

encoding     a row as text that is equal only for equal rows
candidates   one shuffle: per key the number of rows and the sum of their digests on each side, then the rows of the
             keys whose sides are not alike
narrow       those rows into DuckDB, where the one engine (`reconcile/diff/engine/`) compares them value by value
sides        what a user names, as Spark frames
choice       which engine, and why

So what counts as equal is decided in one place: Spark only says which keys cannot differ.
"""
