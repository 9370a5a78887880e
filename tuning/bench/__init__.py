"""Measure ways to reserve, side by side: pgbench on the database, wrk on the service, peers beside both."""
