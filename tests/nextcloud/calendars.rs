//! The little of CalDAV and CardDAV that clients need (section 5).

use crate::caller::{ADMIN, Ask, PASSWORD, started};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::Generation::V34;

const EVENT: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
const CALDAV: &str = "xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"";

fn dav(stand_in: &NextcloudStandIn, method: &str, path: &str) -> Ask {
    Ask::new(stand_in, method, &format!("/remote.php/dav{path}")).basic(ADMIN, PASSWORD)
}

#[tokio::test]
async fn discovery_leads_from_the_root_over_the_principal_to_the_calendars() {
    let stand_in = started(V34).await;
    let find = |path: &str, property: &str| {
        let body = format!("<d:propfind {CALDAV}><d:prop>{property}</d:prop></d:propfind>");
        dav(&stand_in, "PROPFIND", path).with("Depth", "0").body(body)
    };
    let said = find("/", "<d:current-user-principal/>").send().await;
    assert!(said.text.contains("<d:href>/remote.php/dav/principals/users/admin/</d:href>"));
    let said = find("/principals/users/admin/", "<c:calendar-home-set/>").send().await;
    assert!(said.text.contains("<d:href>/remote.php/dav/calendars/admin/</d:href>"));
    let list = dav(&stand_in, "PROPFIND", "/calendars/admin/").with("Depth", "1").send().await;
    assert!(list.text.contains("/remote.php/dav/calendars/admin/personal/</d:href>"));
    assert!(list.text.contains("<cal:calendar/>"));
}

#[tokio::test]
async fn a_calendar_is_made_filled_queried_and_synced() {
    let stand_in = started(V34).await;
    let calendar = "/calendars/admin/work";
    assert_eq!(dav(&stand_in, "MKCALENDAR", calendar).send().await.status, 201);
    let event = format!("{calendar}/1.ics");
    let put = dav(&stand_in, "PUT", &event).with("Content-Type", "text/calendar").body(EVENT);
    let put = put.send().await;
    assert_eq!(put.status, 201);
    assert_eq!(dav(&stand_in, "GET", &event).send().await.text, EVENT);

    let report = |body: String| dav(&stand_in, "REPORT", calendar).with("Depth", "1").body(body);
    let properties = "<d:prop><d:getetag/><c:calendar-data/></d:prop>";
    let said =
        report(format!("<c:calendar-query {CALDAV}>{properties}</c:calendar-query>")).send().await;
    assert_eq!(said.status, 207);
    assert!(
        said.text.contains("UID:1") && said.text.contains(put.header("etag").trim_matches('"'))
    );
    let href = "<d:href>/remote.php/dav/calendars/admin/work/1.ics</d:href><d:href>/remote.php/dav/calendars/admin/work/2.ics</d:href>";
    let said =
        report(format!("<c:calendar-multiget {CALDAV}>{properties}{href}</c:calendar-multiget>"));
    let said = said.send().await;
    assert!(said.text.contains("UID:1") && said.text.contains("404 Not Found"));

    let sync = |token: &str| {
        report(format!(
            "<d:sync-collection {CALDAV}><d:sync-token>{token}</d:sync-token>{properties}</d:sync-collection>"
        ))
    };
    let said = sync("").send().await;
    assert!(said.text.contains("UID:1"));
    let token =
        said.text.split("<d:sync-token>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(!sync(&token).send().await.text.contains("UID:1"), "nothing is new");
    assert_eq!(dav(&stand_in, "DELETE", &event).send().await.status, 204);
    assert_eq!(dav(&stand_in, "GET", &event).send().await.status, 404);
}

#[tokio::test]
async fn contacts_live_in_address_books() {
    let stand_in = started(V34).await;
    let card = "/addressbooks/users/admin/contacts/1.vcf";
    let put = dav(&stand_in, "PUT", card).body("BEGIN:VCARD\r\nEND:VCARD\r\n").send().await;
    assert_eq!(put.status, 201);
    let body = "<r:addressbook-query xmlns:d=\"DAV:\" xmlns:r=\"urn:ietf:params:xml:ns:carddav\">\
                <d:prop><r:address-data/></d:prop></r:addressbook-query>";
    let said =
        dav(&stand_in, "REPORT", "/addressbooks/users/admin/contacts/").body(body).send().await;
    assert!(said.text.contains("BEGIN:VCARD"));
}
