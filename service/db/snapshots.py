"""A number for what a statement saw, to tell the older of two answers from the newer."""

# How many transactions had ended when the statement's snapshot was taken. A server takes one snapshot
# after the other, and what has ended stays so: a later snapshot has at least this number, and a larger
# one if anything was committed between the two. Not on a standby, which keeps no list of those under way.
POSITION = (
    "(pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    " - (SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot())))"
)
