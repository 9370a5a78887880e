"""Answers that are kept for a while, in Redis and in this process; knows nothing of stock (ADR 20)."""
