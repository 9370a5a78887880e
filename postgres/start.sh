#!/bin/sh
# Start PostgreSQL: as `primary`, or as `replica`, a streaming copy of the server that PRIMARY_HOST names.
#
# An empty volume is filled first, in a directory beside the data that takes its name once it is whole: a stop leaves no
# half of one. The primary's roles are made or completed before it listens. A replica that was promoted stays so.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
HOTROW_SECRETS=${HOTROW_SECRETS:-/run/secrets}
export HOTROW_SECRETS
slot=hotrow_replica
sockets=/run/postgresql
# Waiting for what was not written at a crash: as long as it takes.
recovery_timeout_s=86400

refuse() {
    echo "PostgreSQL cannot start: $1" >&2
    exit 1
}

need() {
    for name; do
        [ -s "$HOTROW_SECRETS/$name" ] || refuse "$HOTROW_SECRETS/$name is missing or empty: run make secrets, and mount it"
    done
}

require_version() {
    made_by=$(cat "$PGDATA/PG_VERSION")
    is=$(postgres --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    [ "$made_by" = "$is" ] || refuse "the volume was made by PostgreSQL $made_by, and this is $is: upgrade the data first"
}

fill_primary() {
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --username=postgres --auth-local=peer --auth-host=reject \
        --encoding=UTF8 --locale=C --data-checksums
    mv "$PGDATA.new" "$PGDATA"
}

fill_replica() {
    rm -rf "$PGDATA.new"
    # Of a replica that was here before: pg_basebackup makes it anew.
    psql "$source dbname=postgres" --no-psqlrc --quiet --output=/dev/null --command="
        SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$slot' AND NOT active"
    pg_basebackup --dbname="$source" --pgdata="$PGDATA.new" --wal-method=stream --checkpoint=fast \
        --create-slot --slot="$slot"
    touch "$PGDATA.new/standby.signal"
    mv "$PGDATA.new" "$PGDATA"
}

prepare() {
    pg_ctl start --pgdata="$PGDATA" --silent --wait --timeout="$recovery_timeout_s" \
        --options="-c config_file=$here/postgresql.conf -c hba_file=$here/pg_hba.conf -c listen_addresses='' \
            -c unix_socket_directories=$sockets ${POSTGRES_OPTIONS:-}"
    psql --no-psqlrc --quiet --host="$sockets" --username=postgres --file="$here/prepare.psql" postgres ||
        refuse "the roles could not be made, see above"
    pg_ctl stop --pgdata="$PGDATA" --silent --wait --mode=fast
}

serve() {
    # POSTGRES_OPTIONS is words: -c shared_buffers=1GB -c max_wal_size=8GB
    # shellcheck disable=SC2086
    if [ -n "${ARCHIVE:-}" ]; then
        # A replica archives once it is promoted. What is not archived within a minute waits for the segment to be full.
        set -- -c archive_mode=on -c "archive_command=sh $here/archive.sh %p %f" -c archive_timeout=60s "$@"
    fi
    exec postgres -D "$PGDATA" -c "config_file=$here/postgresql.conf" -c "hba_file=$here/pg_hba.conf" \
        -c "listen_addresses=*" -c "unix_socket_directories=$sockets" ${POSTGRES_OPTIONS:-} "$@"
}

case "${1:-}" in
primary)
    need migrator_password app_password readonly_password replicator_password monitor_password pooler_password
    [ -s "$PGDATA/PG_VERSION" ] || fill_primary
    require_version
    prepare
    serve
    ;;
replica)
    need replicator_password
    PGPASSFILE=$sockets/replicator.pgpass
    export PGPASSFILE
    printf '*:*:*:hotrow_replicator:%s\n' "$(head -n 1 "$HOTROW_SECRETS/replicator_password" | sed 's/[\\:]/\\&/g')" > "$PGPASSFILE"
    source="host=${PRIMARY_HOST:?} user=hotrow_replicator application_name=replica"
    [ -s "$PGDATA/PG_VERSION" ] || fill_replica
    require_version
    serve -c "primary_conninfo=$source passfile=$PGPASSFILE" -c "primary_slot_name=$slot" -c hot_standby=on
    ;;
*)
    refuse "say primary or replica"
    ;;
esac
