#!/usr/bin/env bash
# vdirsyncer: finds calendars and address books from the bare address (by /.well-known), and syncs an event and a card both ways.
# Needs vdirsyncer.
. "$(dirname "$0")/common.sh"
need vdirsyncer

calendar=$BASE_URL/remote.php/dav/calendars/$USER_NAME/$THERE
book=$BASE_URL/remote.php/dav/addressbooks/users/$USER_NAME/$THERE
both_gone() {
    dav --output /dev/null --request DELETE --header 'X-NC-CalDAV-No-Trashbin: 1' "$calendar" || true
    dav --output /dev/null --request DELETE "$book" || true
    clean
}
trap both_gone EXIT
expect 201 --request MKCALENDAR "$calendar"
# Not by standard input: from there curl reads the password.
printf %s '<?xml version="1.0"?><d:mkcol xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><d:set><d:prop><d:resourcetype><d:collection/><c:addressbook/></d:resourcetype></d:prop></d:set></d:mkcol>' >"$HERE/book.xml"
expect 201 --request MKCOL --header 'Content-Type: application/xml' --data-binary @"$HERE/book.xml" "$book"
remote() {
    printf 'url = "%s/"\nusername = "%s"\npassword = "%s"\n' "$BASE_URL" "$USER_NAME" "$PASSWORD"
    [ -z "$CA_FILE" ] || printf 'verify = "%s"\n' "$CA_FILE"
}
cat >"$HERE/config" <<EOF
[general]
status_path = "$HERE/status/"
[pair cal]
a = "cal_here"
b = "cal_there"
collections = ["$THERE"]
[storage cal_here]
type = "filesystem"
path = "$HERE/cal/"
fileext = ".ics"
[storage cal_there]
type = "caldav"
$(remote)
[pair card]
a = "card_here"
b = "card_there"
collections = ["$THERE"]
[storage card_here]
type = "filesystem"
path = "$HERE/card/"
fileext = ".vcf"
[storage card_there]
type = "carddav"
$(remote)
EOF
export VDIRSYNCER_CONFIG=$HERE/config
mkdir -p "$HERE/cal/$THERE" "$HERE/card/$THERE"
printf 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//stormdoor//EN\r\nBEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20310504T080000Z\r\nDTSTART:20310504T100000Z\r\nDTEND:20310504T110000Z\r\nSUMMARY:A visit\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n' "$THERE" >"$HERE/cal/$THERE/one.ics"
printf 'BEGIN:VCARD\r\nVERSION:3.0\r\nUID:%s\r\nFN:Ada Lovelace\r\nN:Lovelace;Ada;;;\r\nEND:VCARD\r\n' "$THERE" >"$HERE/card/$THERE/one.vcf"
# It may be asked about a certificate or a collection; nobody is there to answer.
vdirsyncer discover </dev/null
vdirsyncer sync
count() { find "$1" -type f | wc -l; }
[ "$(count "$HERE/cal")" = 1 ] && [ "$(count "$HERE/card")" = 1 ] || differs "something else came down"
rm -r "$HERE/status" "$HERE/cal/$THERE" "$HERE/card/$THERE"
mkdir "$HERE/cal/$THERE" "$HERE/card/$THERE"
vdirsyncer discover </dev/null
vdirsyncer sync
grep -rq 'A visit' "$HERE/cal" || differs "the event is not there"
grep -rq 'Lovelace' "$HERE/card" || differs "the card is not there"
