#!/bin/bash
# Run one PgBouncer in each of the given directories, all on one configuration, which includes the peer.ini that is there.
# When one ends, or a signal comes, all end: the container starts again as a whole.
#
#   bash peers.sh /var/lib/hotrow/pgbouncer.ini /var/lib/hotrow/peer1 /var/lib/hotrow/peer2
# With -m no child begins with SIGINT ignored: one that is asked to end while it starts would not hear it.
set -um
configuration=$1
shift
children=()
# Caught, so that `wait` returns: who gets SIGINT twice drops running transactions.
trap : INT TERM
for directory; do
    (cd "$directory" && exec pgbouncer "$configuration") &
    children+=($!)
done
wait -n
code=$?
kill -s INT "${children[@]}" 2> /dev/null
wait
exit "$code"
