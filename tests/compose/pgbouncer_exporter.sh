#!/bin/sh
# Ask PgBouncer for what the environment of the published exporter names.
set -eu
umask 077
printf 'exporter_host: 0.0.0.0\nexporter_port: 9127\npgbouncers:\n  - dsn: %s\n' "$PGBOUNCER_EXPORTER_CONNECTION_STRING" \
    > /tmp/exporter.yml
exec /opt/pgbouncer-exporter/bin/python -c "from prometheus_pgbouncer_exporter.cli import main; main()" --config /tmp/exporter.yml
