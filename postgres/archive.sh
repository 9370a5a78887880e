#!/bin/sh
# archive_command: keep one segment of the write-ahead log. `sh archive.sh %p %f`, with the directory in $ARCHIVE.
#
# A segment has its name once it is whole and on disk, so that a kill leaves nothing that a restore would take. One that
# is there with the same bytes was archived before a crash; one with others belongs to another server, and stays.
set -eu
umask 077
path=$1
name=$2
kept=${ARCHIVE:?}/$name
staging=$ARCHIVE/.$name.new

if [ -e "$kept" ]; then
    cmp -s "$path" "$kept" && exit 0
    echo "$kept holds another segment of that name: two servers archive to one place" >&2
    exit 1
fi
# One archiver at a time: what is there was left by one that was killed.
rm -f "$staging"
cp "$path" "$staging"
sync "$staging"
# Unlike mv it overwrites nothing.
ln "$staging" "$kept"
rm "$staging"
sync "$ARCHIVE"
