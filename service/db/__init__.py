"""How Django meets PostgreSQL: connections, migration operations, SQLSTATEs."""
