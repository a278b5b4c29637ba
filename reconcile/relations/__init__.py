"""The relations through which the stages of a reconcile talk, each named once: its columns, its meaning, its writer.

The module named as a relation's writer fills it, and no other changes it; whoever reads it imports the declaration, or
is handed it by the stage that filled it. SQL names a relation by its declaration, as in `f"SELECT id FROM {EVIDENCE}"`;
a test reads all SQL of reconcile/ and refuses a name that is written out.

`relation.py` says what a relation is. `inputs.py` has what is pinned and read, `evidence.py` the differing rows and
what is known about them, `judge.py` the findings and what is counted after them, `diff.py` what a comparison leaves.
The comparison's own tables are in `reconcile/diff/engine/exact_sql.py`: no other room reads them.
"""
