//! The head that is forwarded: what the client claimed about itself goes, what we know takes its place.
//!
//! Runs in `upstream_request_filter`, after Pingora has removed hop-by-hop headers and everything that `Connection`
//! nominates (RFC 9110 §7.6.1): a client cannot have one of ours removed. What makes a WebSocket stays.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use pingora_core::{ErrorType, OrErr as _, Result};
use pingora_http::RequestHeader;
use smallvec::SmallVec;

use super::bridge::Crossing;
use crate::edge::Arrival;
use crate::identity::Principal;
use crate::route::{App, IdentityHeaders, IdentityMode};

/// Of every cookie that is ours.
const OWN_COOKIES: &[u8] = b"__Host-stormdoor";

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The mark of another server of Nextcloud's federation, which switches sign-in off. It stays on routes that are for those.
const X_NEXTCLOUD_FEDERATION: HeaderName = HeaderName::from_static("x-nextcloud-federation");

/// Families of headers in which some backend believes who or where the client is.
const STRIPPED_PREFIXES: [&str; 4] = ["aa-", "x-auth-", "x-forwarded-", "x-original-"];

/// Further headers in which some backend believes who or where the client is, or which path or method was asked for.
const STRIPPED: [&str; 31] = [
    "authorization-app-api",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "client-ip",
    "ex-app-id",
    "ex-app-version",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "proxy-authorization",
    "proxy-client-ip",
    "true-client-ip",
    "wl-proxy-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-forwarded",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
    "x-user-id",
    "xauthorization",
];

/// What no client may send to any upstream, prepared when a configuration is loaded.
///
/// The identity headers of *every* app are on it, on every route: a client of one app cannot plant what another
/// believes, not even through an upstream that serves both.
#[derive(Clone, Debug)]
pub struct StripList {
    names: HashSet<HeaderName>,
}

impl StripList {
    /// The list for a configuration with these `apps`.
    pub fn of(apps: &[Arc<App>]) -> Self {
        let mut names: HashSet<HeaderName> =
            STRIPPED.iter().map(|name| HeaderName::from_static(name)).collect();
        names.extend(IdentityHeaders::default().all().map(HeaderName::clone));
        for app in apps {
            if let IdentityMode::Headers(headers) = &app.identity {
                names.extend(headers.all().map(HeaderName::clone));
            }
        }
        Self { names }
    }

    /// Whether `name` goes. So do names with `_`, which CGI-like backends read as `-`.
    fn has(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        text.contains('_')
            || STRIPPED_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
            || self.names.contains(name)
    }
}

/// How the upstream is told who is calling.
///
/// No `Debug`: it would print the token.
pub enum IdentityOutcome<'a> {
    /// By headers of these names, about this caller; nobody: none of them.
    Headers(&'a IdentityHeaders, Option<&'a Principal>),
    /// By a token of ours: the whole value of `Authorization`, `Bearer …`; nobody: none.
    Bearer(Option<HeaderValue>),
    /// As Nextcloud takes it, with the cookies that it gave to this caller and no others.
    Nextcloud(&'a Crossing),
    /// By the client's own `Authorization`, as it is.
    Pass,
    /// Not at all.
    None,
}

/// Rewrites `head` into what the upstream gets.
///
/// - The target is the one that was judged, byte for byte.
/// - Everything on the [`StripList`] goes, and our own cookies; several cookie lines (HTTP/2 crumbs, RFC 9113 §8.2.3) become
///   one.
/// - `Authorization` goes, except with [`IdentityOutcome::Pass`] and a credential of Nextcloud's own: one for us never reaches an
///   upstream.
/// - `X-Nextcloud-Federation` goes, except on a route for `federation`.
/// - `Host` is `upstream_host`, or the client's with the port it named.
/// - `X-Forwarded-For`, `-Proto`, `-Host`, `X-Real-IP`, `X-Request-ID` and `X-Correlation-ID` are ours.
/// - Identity comes last, so that nothing else can take its place.
///
/// # Errors
///
/// When a value cannot be a header, or the target no target; neither happens with what the edge has accepted.
pub fn forward_head(
    head: &mut RequestHeader,
    arrival: &Arrival,
    identity: &IdentityOutcome<'_>,
    sent: &Sent<'_>,
) -> Result<()> {
    head.set_raw_path(arrival.target.as_str().as_bytes())?;
    remove_claims(head, identity, sent);
    merge_cookies(head)?;
    Origin::of(arrival)?.announce(head, sent.host)?;
    identify(head, identity)
}

/// How a request is sent, beside who is calling.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The upstream's own `Host`, when it has one.
    pub host: Option<&'a str>,
    /// What no client may send.
    pub strip: &'a StripList,
    /// Whether the route is for other servers of a federation.
    pub federation: bool,
}

/// Where the request comes from, as header values.
struct Origin {
    client: HeaderValue,
    host: HeaderValue,
    request_id: HeaderValue,
    scheme: HeaderValue,
}

impl Origin {
    fn of(arrival: &Arrival) -> Result<Self> {
        let host = match arrival.port {
            Some(port) => value(&format!("{}:{port}", arrival.host))?,
            None => value(&arrival.host)?,
        };
        Ok(Self {
            client: value(&arrival.client.to_string())?,
            host,
            request_id: value(arrival.request_id.as_str())?,
            scheme: HeaderValue::from_static(arrival.scheme.as_str()),
        })
    }

    fn announce(self, head: &mut RequestHeader, upstream_host: Option<&str>) -> Result<()> {
        match upstream_host {
            Some(name) => set_host(head, value(name)?)?,
            None => set_host(head, self.host.clone())?,
        }
        head.insert_header(X_FORWARDED_FOR, self.client.clone())?;
        head.insert_header(X_REAL_IP, self.client)?;
        head.insert_header(X_FORWARDED_PROTO, self.scheme)?;
        head.insert_header(X_FORWARDED_HOST, self.host)?;
        head.insert_header(X_REQUEST_ID, self.request_id.clone())?;
        head.insert_header(X_CORRELATION_ID, self.request_id)
    }
}

fn identify(head: &mut RequestHeader, identity: &IdentityOutcome<'_>) -> Result<()> {
    match identity {
        IdentityOutcome::Headers(names, Some(principal)) => introduce(head, names, principal),
        IdentityOutcome::Bearer(Some(token)) => {
            let mut token = token.clone();
            token.set_sensitive(true);
            head.insert_header(header::AUTHORIZATION, token)
        }
        IdentityOutcome::Nextcloud(crossing) => crossing.go_over(head),
        IdentityOutcome::Headers(_, None)
        | IdentityOutcome::Bearer(None)
        | IdentityOutcome::Pass
        | IdentityOutcome::None => Ok(()),
    }
}

/// Removes what is on the list, and what does not pass here. One look at every name.
fn remove_claims(head: &mut RequestHeader, identity: &IdentityOutcome<'_>, sent: &Sent<'_>) {
    let keep_authorization = match identity {
        IdentityOutcome::Nextcloud(crossing) => crossing.passes(),
        IdentityOutcome::Pass => true,
        IdentityOutcome::Bearer(_) | IdentityOutcome::Headers(..) | IdentityOutcome::None => false,
    };
    let goes = |name: &&HeaderName| {
        // Set anew in any case, which is cheaper than removing first.
        if [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP].contains(name) {
            return false;
        }
        sent.strip.has(name)
            || (**name == header::AUTHORIZATION && !keep_authorization)
            || (**name == X_NEXTCLOUD_FEDERATION && !sent.federation)
    };
    let names: SmallVec<[HeaderName; 8]> = head.headers.keys().filter(goes).cloned().collect();
    for name in &names {
        head.remove_header(name);
    }
}

/// Makes one line of all cookies but ours. A single line without ours stays as it is.
fn merge_cookies(head: &mut RequestHeader) -> Result<()> {
    let mut merged = BytesMut::new();
    let mut lines = 0;
    let mut ours = false;
    for line in head.headers.get_all(header::COOKIE) {
        lines += 1;
        for pair in line.as_bytes().split(|&byte| byte == b';') {
            let pair = pair.trim_ascii();
            if is_ours(pair) {
                ours = true;
            } else if !pair.is_empty() {
                if !merged.is_empty() {
                    merged.put_slice(b"; ");
                }
                merged.put_slice(pair);
            }
        }
    }
    if lines == 0 || (lines == 1 && !ours) {
        return Ok(());
    }
    if merged.is_empty() {
        head.remove_header(&header::COOKIE);
        return Ok(());
    }
    let mut cookies = HeaderValue::from_maybe_shared(merged.freeze())
        .or_err(ErrorType::InvalidHTTPHeader, "merging cookies")?;
    cookies.set_sensitive(true);
    head.insert_header(header::COOKIE, cookies)
}

/// Whatever the case: browsers hold `__host-` to the same rules.
fn is_ours(pair: &[u8]) -> bool {
    pair.get(..OWN_COOKIES.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_COOKIES))
}

fn set_host(head: &mut RequestHeader, host: HeaderValue) -> Result<()> {
    let mut present = head.headers.get_all(header::HOST).iter();
    if present.next() == Some(&host) && present.next().is_none() {
        return Ok(());
    }
    head.insert_header(header::HOST, host)
}

/// Sets the identity headers. What is not known about the caller has no header.
fn introduce(head: &mut RequestHeader, names: &IdentityHeaders, who: &Principal) -> Result<()> {
    let session = who.session.map(|session| session.to_string());
    let facts = [
        (&names.subject, one(who.subject.as_str())),
        (&names.user, one(who.username.as_deref().unwrap_or_default())),
        (&names.email, one(who.email.as_deref().unwrap_or_default())),
        (&names.roles, list(&who.roles)),
        (&names.groups, list(&who.groups)),
        (&names.tier, one(&who.tier)),
        (&names.session, one(session.as_deref().unwrap_or_default())),
    ];
    for (name, fact) in facts {
        if !fact.is_empty() {
            head.insert_header(name.clone(), value(&fact)?)?;
        }
    }
    Ok(())
}

/// A fact as a header value: visible ASCII as it is, but `%`; every other byte of its UTF-8 as `%XX`. It can be decoded back,
/// and it cannot break out of its line.
fn one(fact: &str) -> String {
    let mut text = String::with_capacity(fact.len());
    encode(&mut text, fact, |byte| byte.is_ascii_graphic() && byte != b'%');
    text
}

/// Facts separated by commas; a comma inside one is `%2C`.
fn list(facts: &[Arc<str>]) -> String {
    let mut text = String::new();
    for fact in facts.iter().filter(|fact| !fact.is_empty()) {
        if !text.is_empty() {
            text.push(',');
        }
        encode(&mut text, fact, |byte| byte.is_ascii_graphic() && byte != b'%' && byte != b',');
    }
    text
}

fn encode(text: &mut String, fact: &str, plain: impl Fn(u8) -> bool) {
    for byte in fact.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).or_err(ErrorType::InvalidHTTPHeader, "rewriting a header")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::{Issuer, Permissions, Subject};
    use crate::route::{BodyRules, Destination, HeaderPreset, SecurityHeaders, TargetProfile};

    fn app(identity: IdentityMode) -> Arc<App> {
        Arc::new(App {
            name: "app".into(),
            hosts: Vec::new(),
            destination: Destination::Upstream("app".into()),
            identity,
            cors: None,
            headers: SecurityHeaders::of(HeaderPreset::Api),
            body: BodyRules { max_bytes: None, json: None },
            targets: TargetProfile::Strict,
            websocket_idle: std::time::Duration::from_hours(1),
            body_idle: std::time::Duration::from_mins(1),
        })
    }

    fn principal() -> Principal {
        Principal {
            subject: Subject::new("u-1"),
            issuer: Issuer::Own,
            username: Some("Ada Lovelace".into()),
            email: Some("ada@example.org".into()),
            email_verified: true,
            roles: vec!["admin".into(), "viewer".into()],
            groups: vec!["R&D, Zürich".into(), "100%".into()],
            scopes: None,
            permissions: Permissions::default(),
            tier: "free".into(),
            rate_limit: None,
            kind: crate::identity::CredentialKind::AccessToken,
            session: None,
            token_id: None,
            issued_at: Timestamp::default(),
            expires_at: Timestamp::from_secs(0),
            second_factor_at: None,
        }
    }

    fn head(headers: &[(&str, &str)]) -> RequestHeader {
        let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            head.append_header(name, *value).expect("a header");
        }
        head
    }

    /// Everything but the target, which only the edge can make.
    fn forwarded(
        mut head: RequestHeader,
        identity: &IdentityOutcome<'_>,
        upstream_host: Option<&str>,
        apps: &[Arc<App>],
    ) -> Vec<String> {
        let origin = Origin {
            client: HeaderValue::from_static("192.0.2.7"),
            host: HeaderValue::from_static("app.example.org:8443"),
            request_id: HeaderValue::from_static("r-1"),
            scheme: HeaderValue::from_static("https"),
        };
        let strip = StripList::of(apps);
        let sent = Sent { host: upstream_host, strip: &strip, federation: false };
        remove_claims(&mut head, identity, &sent);
        merge_cookies(&mut head).expect("cookies");
        origin.announce(&mut head, upstream_host).expect("an origin");
        identify(&mut head, identity).expect("an identity");
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        };
        let mut lines: Vec<String> = head.headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    const OURS: [&str; 7] = [
        "host: app.example.org:8443",
        "x-correlation-id: r-1",
        "x-forwarded-for: 192.0.2.7",
        "x-forwarded-host: app.example.org:8443",
        "x-forwarded-proto: https",
        "x-real-ip: 192.0.2.7",
        "x-request-id: r-1",
    ];

    #[test]
    fn what_a_client_claims_about_itself_does_not_arrive() {
        let custom = IdentityHeaders {
            user: HeaderName::from_static("x-remote-user"),
            ..IdentityHeaders::default()
        };
        let apps = [app(IdentityMode::None), app(IdentityMode::Headers(Box::new(custom)))];
        for name in [
            "AA-Version",
            "Authorization",
            "AUTHORIZATION-APP-API",
            "CF-Connecting-IP",
            "EX-APP-ID",
            "EX-APP-VERSION",
            "Forwarded",
            "True-Client-IP",
            "X-Auth-Anything",
            "X-Auth-Subject",
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "X-Correlation-ID",
            "X-Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Port",
            "X-Forwarded-Prefix",
            "X-Forwarded-Proto",
            "X-HTTP-Method-Override",
            "X-Nextcloud-Federation",
            "X-Original-URL",
            "X-Real-IP",
            "X-Remote-User",
            "X-Request-ID",
            "X-Rewrite-URL",
            "X-User-Id",
            "XAuthorization",
            "X_Auth_User",
            "X_Anything",
        ] {
            let head = head(&[("host", "other"), (name, "forged"), (name, "twice")]);
            assert_eq!(forwarded(head, &IdentityOutcome::None, None, &apps), OURS, "{name}");
        }
    }

    #[test]
    fn what_an_upgrade_and_content_need_stays() {
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("content-type", "text/plain"),
            ("destination", "/b"),
            ("depth", "1"),
            ("x-requested-with", "XMLHttpRequest"),
        ] {
            let lines = forwarded(head(&[(name, value)]), &IdentityOutcome::None, None, &[]);
            assert!(lines.contains(&format!("{name}: {value}")), "{name}");
            assert_eq!(lines.len(), OURS.len() + 1);
        }
    }

    #[test]
    fn cookies_become_one_line_without_ours() {
        for (cookies, line) in [
            (&["a=1; b=2"][..], Some("a=1; b=2")),
            (&["a=1;b=2"], Some("a=1;b=2")),
            (&["a=1", "b=2"], Some("a=1; b=2")),
            (&["a=1; ", " ;b=2;"], Some("a=1; b=2")),
            (&["__Host-stormdoor=s"], None),
            (&["a=1; __Host-stormdoor=s; b=2"], Some("a=1; b=2")),
            (&["__Host-stormdoor-flow-7=s; a=1"], Some("a=1")),
            (&["a=1;__HOST-Stormdoor=s"], Some("a=1")),
            (&["__Host-stormdoor=s", "__Host-stormdoor=t", "a=1"], Some("a=1")),
            (
                &["__Host-other=s; xx__Host-stormdoor=1"],
                Some("__Host-other=s; xx__Host-stormdoor=1"),
            ),
            (&[], None),
        ] {
            let headers: Vec<_> = cookies.iter().map(|line| ("cookie", *line)).collect();
            let lines = forwarded(head(&headers), &IdentityOutcome::None, None, &[]);
            let found = lines.iter().filter_map(|line| line.strip_prefix("cookie: "));
            assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(line), "{cookies:?}");
        }
    }

    #[test]
    fn authorization_is_the_clients_ours_or_nobodys() {
        let ours = || Some(HeaderValue::from_static("Bearer ours"));
        let names = IdentityHeaders::default();
        for (identity, line) in [
            (IdentityOutcome::Pass, Some("Basic theirs")),
            (IdentityOutcome::None, None),
            (IdentityOutcome::Headers(&names, None), None),
            (IdentityOutcome::Bearer(ours()), Some("Bearer ours")),
            (IdentityOutcome::Bearer(None), None),
        ] {
            let head = head(&[("authorization", "Basic theirs")]);
            let lines = forwarded(head, &identity, None, &[]);
            let found = lines.iter().find_map(|line| line.strip_prefix("authorization: "));
            assert_eq!(found, line);
        }
    }

    #[test]
    fn the_caller_is_introduced_in_headers_that_decode_back() {
        let names = IdentityHeaders::default();
        let principal = principal();
        let identity = IdentityOutcome::Headers(&names, Some(&principal));
        let lines = forwarded(head(&[("x-auth-session", "forged")]), &identity, None, &[]);
        let found: Vec<_> = lines.iter().filter(|line| line.starts_with("x-auth-")).collect();
        assert_eq!(
            found,
            [
                "x-auth-email: ada@example.org",
                "x-auth-groups: R&D%2C%20Z%C3%BCrich,100%25",
                "x-auth-roles: admin,viewer",
                "x-auth-subject: u-1",
                "x-auth-tier: free",
                "x-auth-user: Ada%20Lovelace",
            ]
        );
    }

    #[test]
    fn the_host_is_the_clients_unless_the_upstream_has_its_own() {
        let lines = forwarded(head(&[("host", "a")]), &IdentityOutcome::None, Some("inner"), &[]);
        assert!(lines.contains(&"host: inner".to_owned()));
        assert!(lines.contains(&"x-forwarded-host: app.example.org:8443".to_owned()));
    }

    proptest! {
        #[test]
        fn every_fact_fits_into_one_header_line(fact in ".*", other in ".*") {
            let single = one(&fact);
            prop_assert!(single.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(HeaderValue::from_str(&single).is_ok());
            let facts: [Arc<str>; 2] = [fact.as_str().into(), other.as_str().into()];
            let present = facts.iter().filter(|fact| !fact.is_empty()).count();
            let items = list(&facts).split(',').filter(|item| !item.is_empty()).count();
            prop_assert_eq!(items, present);
        }

        #[test]
        fn no_cookie_line_lets_ours_through(lines in proptest::collection::vec("[ -~]{0,40}|(a=1; ?)?__Host-stormdoor[a-z-]{0,5}=x(; b=2)?", 0..4)) {
            let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
            for line in &lines {
                head.append_header(header::COOKIE, line.as_str()).expect("a header");
            }
            merge_cookies(&mut head).expect("merged");
            prop_assert!(head.headers.get_all(header::COOKIE).iter().count() <= 1);
            for line in head.headers.get_all(header::COOKIE) {
                prop_assert!(!line.as_bytes().split(|&byte| byte == b';').any(|pair| is_ours(pair.trim_ascii())));
            }
        }
    }
}
