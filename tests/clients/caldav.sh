#!/usr/bin/env bash
# The Python library caldav: finds the calendars from the bare address, makes one, puts an event, searches for it, removes both.
# Needs python3 with caldav (PYTHON names another one).
. "$(dirname "$0")/common.sh"
PYTHON=${PYTHON:-python3}
need "$PYTHON"
"$PYTHON" -c 'import caldav' 2>/dev/null || { echo "$NAME: needs the Python library caldav" >&2; exit 2; }

export BASE_URL USER_NAME PASSWORD CA_FILE THERE
"$PYTHON" - <<'EOF' || differs "see above"
import datetime, os, caldav

there = os.environ["THERE"]
client = caldav.DAVClient(
    url=os.environ["BASE_URL"] + "/remote.php/dav/",
    username=os.environ["USER_NAME"],
    password=os.environ["PASSWORD"],
    ssl_verify_cert=os.environ["CA_FILE"] or True,
)
principal = client.principal()
calendar = principal.make_calendar(name=there, cal_id=there)
try:
    start = datetime.datetime(2031, 5, 4, 10, 0, tzinfo=datetime.timezone.utc)
    calendar.save_event(dtstart=start, dtend=start + datetime.timedelta(hours=1), summary="A visit")
    found = calendar.search(start=start, end=start + datetime.timedelta(days=1), event=True)
    assert len(found) == 1 and "A visit" in found[0].data, found
    assert there in [other.get_display_name() for other in principal.calendars()]
    token = calendar.objects(load_objects=False).sync_token
    found[0].delete()
    changes = list(calendar.objects_by_sync_token(token, load_objects=False))
    assert len(changes) == 1, changes
finally:
    calendar.delete()
EOF
