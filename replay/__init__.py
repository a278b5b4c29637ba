"""Feed history back through the same job: plan, tape, run, audit, publish; and the way back."""
