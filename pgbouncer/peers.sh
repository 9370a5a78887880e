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
asked=0
signalled=
# Each is asked once: who gets SIGINT twice drops running transactions.
ask() {
    while ((asked < ${#children[@]})); do kill -s INT "${children[asked++]}" 2> /dev/null; done
}
# What comes before `wait` does is not lost on it: those that run already end, and the others are asked below.
trap 'signalled=130; ask' INT
trap 'signalled=143; ask' TERM
for directory; do
    (cd "$directory" && exec pgbouncer "$configuration") &
    children+=($!)
done
[ -z "$signalled" ] || ask
wait -n
code=$?
ask
until wait; do :; done
exit "${signalled:-$code}"
