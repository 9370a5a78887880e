#!/bin/sh
# Base backups, and the proof that the newest one can be restored.
#
#   sh backup.sh take              copy the server of $SOURCE, verify the copy, and drop what is older than the last $KEEP
#   sh backup.sh check [TIME]      restore the newest copy and the archive to a scratch server, as of a time where one is
#                                  given; check every invariant; say up to which commit it came; remove it
#   sh backup.sh restore DIR [TIME]  the same without the check, to a directory that stays
#   sh backup.sh schedule          take and check, again and again
#
# $BACKUPS holds a directory for each copy, $ARCHIVE the segments (archive.sh), $SOURCE is a connection string of
# hotrow_replicator, $MONITOR one of hotrow_monitor; without it the archive is not compared with the server.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
backups=${BACKUPS:?} archive=${ARCHIVE:?}
keep=${KEEP:-7}
interval_s=${INTERVAL_S:-86400}
# Segments that wait to be archived: at one a minute (archive_timeout) more than these are minutes behind.
most_waiting=3
database=${DATABASE:-hotrow}
scratch=

refuse() {
    echo "backup: $1" >&2
    exit 1
}

clean() {
    [ -n "$scratch" ] || return 0
    [ ! -e "$scratch/data/postmaster.pid" ] || pg_ctl stop --pgdata="$scratch/data" --silent --mode=immediate || true
    rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

# The position of a segment in the log: its name is eight digits of timeline, log and segment each, of 16 MiB.
number() {
    echo $((0x$(echo "$1" | cut -c 9-16) * 256 + 0x$(echo "$1" | cut -c 17-24)))
}

segments() {
    find "$@" -maxdepth 1 -type f -name '????????????????????????' -exec basename {} \; | sort -u
}

newest() {
    find "$backups" -maxdepth 1 -type d -name '[0-9]*Z' | sort | tail -n 1
}

first_segment() {
    sed -n 's/^START WAL LOCATION: .* (file \([0-9A-F]*\))$/\1/p' "$1/backup_label"
}

take() {
    # Of one that was ended.
    rm -rf "$backups/.new"
    pg_basebackup --dbname="${SOURCE:?}" --pgdata="$backups/.new" --wal-method=stream --checkpoint=fast \
        --manifest-checksums=SHA256 || refuse "the server could not be copied, see above"
    verify "$backups/.new"
    name=$(date -u +%Y%m%dT%H%M%SZ)
    mv "$backups/.new" "$backups/$name"
    sync "$backups"
    find "$backups" -maxdepth 1 -type d -name '[0-9]*Z' | sort -r | tail -n +$((keep + 1)) | while read -r old; do
        rm -rf "$old"
    done
    oldest=$(find "$backups" -maxdepth 1 -type d -name '[0-9]*Z' | sort | head -n 1)
    pg_archivecleanup "$archive" "$(first_segment "$oldest")" || refuse "old segments could not be removed, see above"
    echo "Took $backups/$name"
}

verify() {
    found=$(pg_verifybackup --quiet "$1" 2>&1) || refuse "$1 is damaged: $(echo "$found" | head -n 1)"
}

# Each segment from the copy's first to the newest is there, on whichever timeline.
require_segments() {
    expected=
    for segment in $(segments "$1/pg_wal" "$archive" | sed 's/^\(.\{8\}\)\(.*\)/\2 \1\2/' | sort -u -k 1,1 | cut -d ' ' -f 2); do
        at=$(number "$segment")
        [ "$at" -ge "$(number "$(first_segment "$1")")" ] || continue
        [ -z "$expected" ] || [ "$at" -eq "$expected" ] ||
            refuse "the archive lacks the segment before $segment: a restore ends there, and what follows it is lost"
        expected=$((at + 1))
    done
}

# What is not archived is lost with the server.
require_archiving() {
    [ -n "${MONITOR:-}" ] || return 0
    state=$(psql "$MONITOR" --no-psqlrc --tuples-only --no-align --field-separator=' ' --command="
        SELECT CASE WHEN current_setting('archive_mode') = 'off' THEN 'off'
                    WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN 'failing'
                    WHEN (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') > $most_waiting
                    THEN 'behind'
                    ELSE 'well' END,
               coalesce(last_archived_wal, 'none'), coalesce(last_failed_wal, 'none')
          FROM pg_stat_archiver") || refuse "the server cannot be asked how its archive is, see above"
    # shellcheck disable=SC2086
    set -- $state
    case $1 in
    off) refuse "the server does not archive: start it with ARCHIVE set" ;;
    failing) refuse "the archive is stalled at $3, after $2: see archive_command in the server's log" ;;
    behind) refuse "the archive is stalled: more than $most_waiting segments wait since $2" ;;
    esac
}

# Recovery ends with the archive, or at a time, and the server takes writes.
unpack() {
    base=$1 data=$2 until=$3
    cp -R "$base" "$data"
    chmod 700 "$data"
    : > "$data/recovery.signal"
    rm -f "$data/standby.signal" "$data/postgresql.auto.conf"
    quoted=$(echo "$archive" | sed "s/'/'\\\\''/g")
    {
        echo "restore_command = 'cp \"$quoted/%f\" \"%p\"'"
        echo "recovery_target_timeline = 'latest'"
        [ -z "$until" ] || printf "recovery_target_time = '%s'\nrecovery_target_action = 'promote'\n" "$until"
    } > "$data/postgresql.auto.conf"
}

begin() {
    base=$(newest)
    [ -n "$base" ] || refuse "$backups holds no backup: take one first"
    verify "$base"
    require_segments "$base"
}

check() {
    begin
    require_archiving
    scratch=$backups/.check
    clean
    mkdir -p "$scratch/sockets"
    unpack "$base" "$scratch/data" "${1:-}"
    # Nobody else comes in: the socket is in a directory of this user's own.
    echo "check $(id -un) postgres" > "$scratch/ident"
    echo "local all postgres peer map=check" > "$scratch/hba"
    # Without hot_standby it lets somebody in once recovery has ended.
    settings="-c listen_addresses='' -c unix_socket_directories='$scratch/sockets' -c archive_mode=off"
    settings="$settings -c hba_file='$scratch/hba' -c ident_file='$scratch/ident' -c shared_preload_libraries=''"
    settings="$settings -c config_file='$here/postgresql.conf' -c hot_standby=off"
    pg_ctl start --pgdata="$scratch/data" --silent --no-wait --log="$scratch/log" --options="$settings"
    ask() {
        psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --host="$scratch/sockets" \
            --username=postgres "$@" "$database"
    }
    until ask --command='SELECT 1' > /dev/null 2>&1; do
        # To whoever comes too early it says FATAL as well.
        died=$(grep -E 'FATAL|PANIC|system is shut down' "$scratch/log" | grep -v -E 'starting up|not accepting' | head -n 1)
        [ -z "$died" ] || refuse "$base cannot be restored: $died"
        sleep 0.2
    done
    broken=$(ask --file="$here/invariants.sql") || refuse "the invariants cannot be checked, see above"
    [ -z "$broken" ] || refuse "$base is restored, and its stock is wrong: $(echo "$broken" | head -n 1)"
    last=$(ask --command="SET timezone = 'UTC'; SELECT coalesce(pg_last_xact_replay_timestamp()::text, 'the backup itself')")
    waiting=
    [ -z "${MONITOR:-}" ] || waiting=$(psql "$MONITOR" --no-psqlrc --tuples-only --no-align --command="
        SELECT pg_current_wal_lsn() - '$(ask --command='SELECT pg_last_wal_replay_lsn()')'::pg_lsn" 2> /dev/null) || waiting=
    echo "Restored $base up to the commit of $last; every invariant holds."
    [ -z "${waiting:-}" ] || echo "$waiting bytes of the server's log are not archived yet: lost where the server and its replica are."
    : > "$backups/checked"
}

restore() {
    [ ! -e "$1" ] || refuse "$1 is there: name a directory that is not"
    begin
    unpack "$base" "$1.new" "${2:-}"
    mv "$1.new" "$1"
    echo "Restored $base to $1: start PostgreSQL on it, and it replays the archive${2:+ up to $2}"
}

mkdir -p "$backups" "$archive"
case "${1:-}" in
take | check) "$@" ;;
restore)
    [ -n "${2:-}" ] || refuse "say where to: restore DIR [TIME]"
    "$@"
    ;;
schedule)
    while :; do
        # Its lines are in the container's log, and a check that is too old makes it unhealthy.
        sh "$0" take && sh "$0" check || true
        sleep "$interval_s" &
        wait $!
    done
    ;;
*) refuse "say take, check, restore or schedule" ;;
esac
