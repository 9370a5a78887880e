"""Judge the chain of connections from a worker through PgBouncer to PostgreSQL."""
