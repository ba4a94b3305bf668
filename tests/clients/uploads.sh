#!/usr/bin/env bash
# Uploads by curl: 25 MB in chunks (version 2), ranges of it, an upload that breaks off and must leave nothing.
# Needs curl, and python3 for the upload that breaks off.
. "$(dirname "$0")/common.sh"
need python3

uploads=$BASE_URL/remote.php/dav/uploads/$USER_NAME/$THERE
head -c 25000000 /dev/urandom >"$HERE/big"
split --bytes 10000000 --numeric-suffixes=1 --suffix-length 5 "$HERE/big" "$HERE/chunk-"
expect 201 --request MKCOL "$FILES/$THERE"
target="Destination: $FILES/$THERE/big"
expect 201 --request MKCOL --header "$target" "$uploads"
for chunk in "$HERE"/chunk-*; do
    expect 201 --header "$target" --upload-file "$chunk" "$uploads/${chunk##*-}"
done
expect 201 --request MOVE --header "$target" --header 'OC-Total-Length: 25000000' --header 'X-OC-Mtime: 1700000000' "$uploads/.file"
dav --output "$HERE/back" "$FILES/$THERE/big"
cmp "$HERE/big" "$HERE/back" || differs "what came back is not what was sent"
dav --range 1000000-1999999 --output "$HERE/part" "$FILES/$THERE/big"
cmp <(tail -c +1000001 "$HERE/big" | head -c 1000000) "$HERE/part" || differs "a range is not what was asked for"
expect 416 --range 99999999-99999999 "$FILES/$THERE/big"

export FILES THERE USER_NAME PASSWORD CA_FILE
python3 - <<'EOF' || differs "the broken upload"
import base64, os, socket, ssl, urllib.parse
url = urllib.parse.urlsplit(os.environ["FILES"] + "/" + os.environ["THERE"] + "/broken")
secure = url.scheme == "https"
connection = socket.create_connection((url.hostname, url.port or (443 if secure else 80)))
if secure:
    context = ssl.create_default_context(cafile=os.environ["CA_FILE"] or None)
    connection = context.wrap_socket(connection, server_hostname=url.hostname)
who = base64.b64encode((os.environ["USER_NAME"] + ":" + os.environ["PASSWORD"]).encode()).decode()
head = f"PUT {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Basic {who}\r\nContent-Length: 5000000\r\n\r\n"
connection.sendall(head.encode() + b"x" * 1000000)
connection.close()
EOF
sleep 3
expect 404 "$FILES/$THERE/broken"
