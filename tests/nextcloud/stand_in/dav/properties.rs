//! What a resource says about itself, and how `multistatus` says it.

use super::super::clock::http_date;
use super::super::fields::{encoded, escaped};
use super::super::state::Account;
use super::super::users::quota_bytes;
use super::super::wire::Answer;
use super::tree::{Kind, Lock, Node, Tree};

pub(super) const DAV: &str = "DAV:";
const OWNCLOUD: &str = "http://owncloud.org/ns";
const NEXTCLOUD: &str = "http://nextcloud.org/ns";
pub(super) const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
pub(super) const CARDDAV: &str = "urn:ietf:params:xml:ns:carddav";
const CALENDAR_SERVER: &str = "http://calendarserver.org/ns/";

const PREFIXES: &[(&str, &str)] = &[
    (DAV, "d"),
    (OWNCLOUD, "oc"),
    (NEXTCLOUD, "nc"),
    (CALDAV, "cal"),
    (CARDDAV, "card"),
    (CALENDAR_SERVER, "cs"),
];

/// A property: namespace, name, and its value as XML.
pub(super) struct Property {
    namespace: String,
    name: String,
    value: String,
}

fn property(namespace: &str, name: &str, value: impl Into<String>) -> Property {
    Property { namespace: namespace.to_owned(), name: name.to_owned(), value: value.into() }
}

/// Who asks, and where hrefs begin.
pub(super) struct Reader<'a> {
    pub(super) account: &'a Account,
    /// `/remote.php/dav`, with the web root before it.
    pub(super) dav_root: &'a str,
}

impl Reader<'_> {
    fn href(&self, path: &str) -> String {
        format!("<d:href>{}{}</d:href>", self.dav_root, encoded(path, "/"))
    }

    /// What every resource of this user knows.
    pub(super) fn principal(&self) -> Vec<Property> {
        let user = &self.account.id;
        let principal = self.href(&format!("/principals/users/{user}/"));
        let mail = self.account.email.as_deref().unwrap_or_default();
        let addresses = format!("<d:href>mailto:{}</d:href>{principal}", escaped(mail));
        vec![
            property(DAV, "current-user-principal", principal.clone()),
            property(DAV, "principal-URL", principal.clone()),
            property(DAV, "owner", principal.clone()),
            property(DAV, "principal-collection-set", self.href("/principals/users/")),
            property(DAV, "supported-report-set", reports()),
            property(
                DAV,
                "current-user-privilege-set",
                "<d:privilege><d:all/></d:privilege><d:privilege><d:read/></d:privilege>\
                 <d:privilege><d:write/></d:privilege>",
            ),
            property(CALDAV, "calendar-home-set", self.href(&format!("/calendars/{user}/"))),
            property(CALDAV, "calendar-user-address-set", addresses),
            property(
                CARDDAV,
                "addressbook-home-set",
                self.href(&format!("/addressbooks/users/{user}/")),
            ),
        ]
    }

    /// A resource that is only there to lead on.
    pub(super) fn signpost(&self, name: &str, is_principal: bool) -> Vec<Property> {
        let kind = if is_principal { "<d:collection/><d:principal/>" } else { "<d:collection/>" };
        let mut all = self.principal();
        all.push(property(DAV, "resourcetype", kind));
        all.push(property(DAV, "displayname", escaped(name)));
        all
    }

    pub(super) fn of_node(&self, tree: &Tree, path: &str, node: &Node) -> Vec<Property> {
        let size = tree.size(path);
        let (used, quota) = (tree.used_by(&self.account.id), quota_bytes(&self.account.quota));
        let free = if quota < 0 { quota } else { (quota - used).max(0) };
        let name = path.rsplit('/').next().unwrap_or_default();
        let kind = match node.kind {
            Kind::File => "",
            Kind::Folder => "<d:collection/>",
            Kind::Calendar => "<d:collection/><cal:calendar/>",
            Kind::AddressBook => "<d:collection/><card:addressbook/>",
        };
        let folder = node.is_folder();
        let mut all = vec![
            property(DAV, "getlastmodified", http_date(node.modified)),
            property(DAV, "resourcetype", kind),
            property(DAV, "getetag", format!("&quot;{}&quot;", node.etag)),
            property(OWNCLOUD, "fileid", node.file_id.to_string()),
            property(OWNCLOUD, "id", format!("{:08}{}", node.file_id, "ocstandin000")),
            property(OWNCLOUD, "size", size.to_string()),
            property(OWNCLOUD, "permissions", if folder { "RGDNVCK" } else { "RGDNVW" }),
            property(OWNCLOUD, "owner-id", escaped(&self.account.id)),
            property(OWNCLOUD, "owner-display-name", escaped(&self.account.display_name)),
            property(OWNCLOUD, "favorite", "0"),
            property(NEXTCLOUD, "has-preview", "false"),
            property(NEXTCLOUD, "mount-type", ""),
            property(DAV, "supportedlock", LOCKS),
            property(
                DAV,
                "lockdiscovery",
                node.locks.iter().map(active_lock).collect::<Vec<_>>().concat(),
            ),
        ];
        if folder {
            all.push(property(DAV, "quota-used-bytes", size.to_string()));
            all.push(property(DAV, "quota-available-bytes", free.to_string()));
            all.push(property(CALENDAR_SERVER, "getctag", node.etag.clone()));
            all.push(property(DAV, "sync-token", sync_token(node)));
        } else {
            all.push(property(DAV, "getcontentlength", node.bytes.len().to_string()));
            all.push(property(DAV, "getcontenttype", escaped(&node.content_type)));
        }
        if let Some(checksum) = &node.checksum {
            let value = format!("<oc:checksum>{}</oc:checksum>", escaped(checksum));
            all.push(property(OWNCLOUD, "checksums", value));
        }
        if node.kind == Kind::Calendar {
            let components = "<cal:comp name=\"VEVENT\"/><cal:comp name=\"VTODO\"/>";
            all.push(property(CALDAV, "supported-calendar-component-set", components));
        }
        let text = || escaped(&String::from_utf8_lossy(&node.bytes));
        if path.starts_with("/calendars/") && !folder {
            all.push(property(CALDAV, "calendar-data", text()));
        }
        if path.starts_with("/addressbooks/") && !folder {
            all.push(property(CARDDAV, "address-data", text()));
        }
        for ((namespace, name), value) in &node.properties {
            all.push(property(namespace, name, escaped(value)));
        }
        all.push(property(DAV, "displayname", escaped(name)));
        all.extend(self.principal());
        all
    }
}

/// One `response` element: what was asked for and is there, then what is not.
pub(super) fn response(
    href: &str,
    found: &[Property],
    wanted: Option<&[(String, String)]>,
) -> String {
    let mut there = String::new();
    let mut missing = String::new();
    match wanted {
        None => {
            let plain = |property: &&Property| {
                property.namespace == DAV
                    || !PREFIXES.iter().any(|(known, _)| *known == property.namespace)
            };
            for property in found.iter().filter(plain) {
                there.push_str(&element(&property.namespace, &property.name, &property.value));
            }
        }
        Some(wanted) => {
            for (namespace, name) in wanted {
                let same = |property: &&Property| {
                    property.namespace == *namespace && property.name == *name
                };
                match found.iter().find(same) {
                    Some(property) => there.push_str(&element(namespace, name, &property.value)),
                    None => missing.push_str(&element(namespace, name, "")),
                }
            }
        }
    }
    let mut text = format!("<d:response><d:href>{}</d:href>", encoded(href, "/"));
    if !there.is_empty() || missing.is_empty() {
        text.push_str(&prop_stat(&there, "200 OK"));
    }
    if !missing.is_empty() {
        text.push_str(&prop_stat(&missing, "404 Not Found"));
    }
    text.push_str("</d:response>");
    text
}

pub(super) fn prop_stat(properties: &str, status: &str) -> String {
    format!(
        "<d:propstat><d:prop>{properties}</d:prop><d:status>HTTP/1.1 {status}</d:status></d:propstat>"
    )
}

pub(super) fn element(namespace: &str, name: &str, value: &str) -> String {
    let known = PREFIXES.iter().find(|(known, _)| *known == namespace);
    let (open, close) = match known {
        Some((_, prefix)) => (format!("{prefix}:{name}"), format!("{prefix}:{name}")),
        None if namespace.is_empty() => (format!("{name} xmlns=\"\""), name.to_owned()),
        None => (format!("x1:{name} xmlns:x1=\"{}\"", escaped(namespace)), format!("x1:{name}")),
    };
    if value.is_empty() { format!("<{open}/>") } else { format!("<{open}>{value}</{close}>") }
}

/// A 207 of these `response` elements, and what else stands at its end.
pub(super) fn multi_status(responses: &str) -> Answer {
    let names = PREFIXES.iter().map(|(name, prefix)| format!(" xmlns:{prefix}=\"{name}\""));
    let names = names.collect::<Vec<_>>().concat();
    let body = format!(
        "<?xml version=\"1.0\"?>\n<d:multistatus{names} xmlns:s=\"http://sabredav.org/ns\">{responses}</d:multistatus>"
    );
    Answer::typed(207, "application/xml; charset=utf-8", body)
}

pub(super) fn active_lock(lock: &Lock) -> String {
    let scope = if lock.is_shared { "shared" } else { "exclusive" };
    format!(
        "<d:activelock><d:lockscope><d:{scope}/></d:lockscope><d:locktype><d:write/></d:locktype>\
         <d:depth>infinity</d:depth><d:owner>{}</d:owner><d:timeout>Second-1800</d:timeout>\
         <d:locktoken><d:href>{}</d:href></d:locktoken></d:activelock>",
        escaped(&lock.owner),
        lock.token
    )
}

pub(super) fn sync_token(node: &Node) -> String {
    format!("http://sabre.io/ns/sync/{}", node.etag)
}

fn reports() -> String {
    let report = |name: &str| {
        format!("<d:supported-report><d:report><{name}/></d:report></d:supported-report>")
    };
    ["d:sync-collection", "cal:calendar-query", "cal:calendar-multiget", "card:addressbook-query"]
        .map(report)
        .concat()
}

const LOCKS: &str = "<d:lockentry><d:lockscope><d:exclusive/></d:lockscope><d:locktype><d:write/>\
                     </d:locktype></d:lockentry>";
