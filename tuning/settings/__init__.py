"""Sizes of PostgreSQL, PgBouncer and gunicorn from measured figures: pure, one file for each product's questions."""
