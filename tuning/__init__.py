"""The ``hotrow`` command: a local stack, load, observation and advice for PostgreSQL services."""
