# What the scripts beside this need to begin: sourced, not run.
#
# From the environment:
#   BASE_URL   where Nextcloud is, with or without the gateway before it: https://cloud.example.org
#   USER_NAME  the id of somebody there; the scripts write below a folder of their own in this account, and remove it
#   PASSWORD   a device password (or, without the gateway, a password) of theirs
#   CA_FILE    optional: a CA in PEM for BASE_URL. Programs that take none by an option need it in the system's store.

set -euo pipefail

: "${BASE_URL:?say BASE_URL, such as https://cloud.example.org}"
: "${USER_NAME:?say USER_NAME}"
: "${PASSWORD:?say PASSWORD}"
CA_FILE=${CA_FILE:-}
BASE_URL=${BASE_URL%/}
FILES=$BASE_URL/remote.php/dav/files/$USER_NAME
NAME=$(basename "$0" .sh)
# On every call another one, so that what a broken run left behind is in nobody's way.
THERE=stormdoor-$NAME-$$
HERE=$(mktemp -d)

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || { echo "$NAME: needs $program" >&2; exit 2; }
    done
}

differs() {
    echo "$NAME: $*" >&2
    exit 1
}

# curl as this user. The password is not seen in the list of processes.
dav() {
    printf 'user = "%s:%s"\n' "$USER_NAME" "$PASSWORD" |
        curl --silent --show-error --max-time 300 ${CA_FILE:+--cacert "$CA_FILE"} --config - "$@"
}

# The status of a request, and nothing else.
status() {
    dav --output /dev/null --write-out '%{http_code}' "$@"
}

expect() {
    local wanted=$1 got
    shift
    got=$(status "$@") || got="no answer"
    [ "$got" = "$wanted" ] || differs "$got instead of $wanted: ${*: -1}"
}

# Some small files with names that are hard to carry, in the folder $1.
tree() {
    mkdir -p "$1/a folder/déjà vu"
    echo one >"$1/plain.txt"
    echo two >"$1/a folder/50% #1; & more.txt"
    echo three >"$1/a folder/déjà vu/日本語.txt"
    head -c 3000000 /dev/urandom >"$1/three megabytes.bin"
}

clean() {
    dav --output /dev/null --request DELETE "$FILES/$THERE" || true
    rm -rf "$HERE"
}
need curl
trap clean EXIT
