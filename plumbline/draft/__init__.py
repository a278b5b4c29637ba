"""A contract drafted from the tables of a job that a team already runs; what the tables do not tell is marked."""
