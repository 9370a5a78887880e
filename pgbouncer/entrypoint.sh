#!/bin/sh
# Render the configuration for this PgBouncer from the environment, and become PgBouncer.
# With PGBOUNCER_PROCESSES more than 1 it becomes that many, on one address.
# Secrets are files: pooler_password of the user that asks PostgreSQL, monitor_password of the one of the console.
set -eu
umask 077
here=$(dirname "$0")
secrets=${HOTROW_SECRETS:-/run/secrets}
run=${HOTROW_RUN:-/tmp}
# Where pgbouncer.ini stays: `hotrow failover` leads it to another server, and a restart must not lead it back.
kept=${HOTROW_POOLER:-$run}
# The oldest without a known hole that lets somebody in (PgBouncer's NEWS: CVE-2025-12819, and four more in 1.25.2).
oldest=${PGBOUNCER_MIN_VERSION:-1.25.2}
processes=${PGBOUNCER_PROCESSES:-1}
# A cancel request reaches any of the processes; from here on it is passed on to the one that it is for.
oldest_with_peers=1.19

refuse() {
    echo "PgBouncer cannot start: $1" >&2
    exit 1
}

# A line of the auth_file; a quote in it is written twice.
user() {
    [ -s "$secrets/$2" ] || refuse "$secrets/$2 is missing or empty: run make secrets, and mount it"
    printf '"%s" "%s"\n' "$1" "$(head -n 1 "$secrets/$2" | sed 's/"/""/g')"
}

is_at_least() {
    [ "$(printf '%s\n' "$1" "$RELEASE" | sort -V | head -n 1)" = "$1" ]
}

RELEASE=$(pgbouncer --version | awk 'NR == 1 { print $2 }')
is_at_least "$oldest" || refuse "it is $RELEASE, and $oldest or newer is needed: build the image on a newer base"
case $processes in
'' | 0* | *[!0-9]*) refuse "PGBOUNCER_PROCESSES is $processes: say a whole number, 1 or more" ;;
1) ;;
*)
    is_at_least "$oldest_with_peers" ||
        refuse "it is $RELEASE, and PGBOUNCER_PROCESSES=$processes needs $oldest_with_peers or newer: set it to 1"
    ;;
esac

AUTH_FILE=$run/userlist.txt AUTH_USER=hotrow_pooler ADMIN_USER=hotrow_monitor
export RELEASE AUTH_FILE AUTH_USER ADMIN_USER
lines=$(user "$AUTH_USER" pooler_password && user "$ADMIN_USER" monitor_password)
printf '%s\n' "$lines" > "$AUTH_FILE"
left=$(sed -n "s/^${DATABASE:-} = host=\([^ ]*\) port=\([^ ]*\) .*/\1 \2/p" "$kept/pgbouncer.ini" 2> /dev/null || true)
if [ -n "$left" ] && [ "$left" != "${POSTGRES_HOST:-} ${POSTGRES_PORT:-}" ]; then
    POSTGRES_HOST=${left% *} POSTGRES_PORT=${left#* }
    export POSTGRES_HOST POSTGRES_PORT
    echo "PgBouncer goes to $POSTGRES_HOST:$POSTGRES_PORT, where a failover led it; remove $kept/pgbouncer.ini to go by POSTGRES_HOST" >&2
fi
awk -f "$here/render.awk" "$here/pgbouncer.ini.template" > "$kept/.pgbouncer.ini.new"
# Found in the directory that each process runs in.
[ "$processes" = 1 ] || echo "%include peer.ini" >> "$kept/.pgbouncer.ini.new"
# It holds no secret; who leads it elsewhere is another user.
chmod 644 "$kept/.pgbouncer.ini.new"
mv "$kept/.pgbouncer.ini.new" "$kept/pgbouncer.ini"
[ "$processes" != 1 ] || exec pgbouncer "$kept/pgbouncer.ini"

# Each has a socket of its own beside the configuration: by it the others find it, and who wants its console.
set --
for peer in $(seq "$processes"); do
    set -- "$@" "$kept/peer$peer"
done
for directory; do
    mkdir -p "$directory"
    chmod 755 "$directory"
    {
        printf 'so_reuseport = 1\npeer_id = %s\nunix_socket_dir = %s\n[peers]\n' "${directory##*/peer}" "$directory"
        for other; do
            echo "${other##*/peer} = host=$other port=$LISTEN_PORT"
        done
    } > "$directory/peer.ini"
done
exec bash "$here/peers.sh" "$kept/pgbouncer.ini" "$@"
