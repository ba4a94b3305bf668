#!/usr/bin/env bash
# The desktop client without its window: syncs a tree up, and down to a second folder; then a change and a removal the other way.
# Needs nextcloudcmd. With CA_FILE it is told to trust any certificate, because it takes no CA.
. "$(dirname "$0")/common.sh"
need nextcloudcmd

export HOME=$HERE QT_QPA_PLATFORM=offscreen
sync() {
    nextcloudcmd --non-interactive --silent ${CA_FILE:+--trust} --user "$USER_NAME" --password "$PASSWORD" \
        --path "/$THERE" "$1" "$BASE_URL" || differs "sync of $1 failed"
}
same() {
    diff -r --exclude='.sync_*' --exclude='.nextcloudsync.log' --exclude='.owncloudsync.log' "$HERE/one" "$HERE/two" ||
        differs "$1"
}

expect 201 --request MKCOL "$FILES/$THERE"
tree "$HERE/one"
head -c 25000000 /dev/urandom >"$HERE/one/in chunks.bin"
mkdir "$HERE/two"
sync "$HERE/one"
sync "$HERE/two"
same "the second folder is not the first one"
echo changed >"$HERE/two/plain.txt"
rm "$HERE/two/three megabytes.bin"
sync "$HERE/two"
sync "$HERE/one"
same "changes did not come back"
[ "$(cat "$HERE/one/plain.txt")" = changed ] || differs "the change is lost"
[ ! -e "$HERE/one/three megabytes.bin" ] || differs "what was removed is still there"
