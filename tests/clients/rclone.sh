#!/usr/bin/env bash
# rclone, vendor nextcloud: copies a tree there, checks it, moves in it, copies it back. Needs rclone.
. "$(dirname "$0")/common.sh"
need rclone

export RCLONE_CONFIG=$HERE/rclone.conf
: >"$RCLONE_CONFIG"
RCLONE_CONFIG_CLOUD_PASS=$(printf %s "$PASSWORD" | rclone obscure -)
export RCLONE_CONFIG_CLOUD_PASS RCLONE_CONFIG_CLOUD_TYPE=webdav RCLONE_CONFIG_CLOUD_URL=$FILES
export RCLONE_CONFIG_CLOUD_VENDOR=nextcloud RCLONE_CONFIG_CLOUD_USER=$USER_NAME
[ -z "$CA_FILE" ] || export RCLONE_CA_CERT=$CA_FILE

tree "$HERE/tree"
rclone copy "$HERE/tree" "cloud:$THERE"
rclone check "$HERE/tree" "cloud:$THERE"
rclone moveto "cloud:$THERE/plain.txt" "cloud:$THERE/a folder/moved.txt"
rclone copy "cloud:$THERE" "$HERE/back"
mv "$HERE/tree/plain.txt" "$HERE/tree/a folder/moved.txt"
diff -r "$HERE/tree" "$HERE/back" || differs "what came back is not what was sent"
rclone purge "cloud:$THERE"
