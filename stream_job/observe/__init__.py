"""What a team's own Spark query has done, from its checkpoint: read from outside, and never written."""
