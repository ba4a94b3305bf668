#!/usr/bin/env bash
# cadaver: makes a folder, puts, locks, moves, gets and removes a file. Needs cadaver.
# It takes no CA: BASE_URL's certificate must be one that the system knows.
. "$(dirname "$0")/common.sh"
need cadaver

host=${BASE_URL#*://}
host=${host%%/*}
printf 'machine %s\nlogin %s\npassword %s\n' "${host%%:*}" "$USER_NAME" "$PASSWORD" >"$HERE/.netrc"
chmod 600 "$HERE/.netrc"
echo one >"$HERE/plain.txt"
HOME=$HERE cadaver "$FILES/" >"$HERE/said" 2>&1 <<EOF || true
mkcol $THERE
cd $THERE
lcd $HERE
put plain.txt
lock plain.txt
unlock plain.txt
move plain.txt moved.txt
ls
get moved.txt back.txt
delete moved.txt
quit
EOF
if grep -iE 'failed|could not|error' "$HERE/said"; then differs "a step failed"; fi
[ "$(grep -c 'succeeded' "$HERE/said")" -ge 7 ] || differs "steps are missing: $(cat "$HERE/said")"
cmp "$HERE/plain.txt" "$HERE/back.txt" || differs "what came back is not what was sent"
expect 404 "$FILES/$THERE/moved.txt"
