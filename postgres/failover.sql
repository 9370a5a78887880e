-- What `hotrow failover` does as hotrow_monitor, who holds PgBouncer's console: make the replica the primary. A superuser
-- runs this in the service's database; the replica has it by replication.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_promote(boolean, integer) TO hotrow_monitor;
