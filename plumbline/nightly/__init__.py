"""The nightly: batch, expectations, reconcile, report and retention of every day that is due, as one command."""
