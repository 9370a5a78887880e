"""Start and stop PostgreSQL, PgBouncer, Redis and the service on this machine."""
