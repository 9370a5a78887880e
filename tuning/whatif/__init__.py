"""Proof that an index helps or can go, had in a copy of the database, and the migration that says so."""
