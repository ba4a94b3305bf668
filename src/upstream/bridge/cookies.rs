//! Nextcloud's cookies, bound by their names to whom they were given to.
//!
//! | what Nextcloud sets | what the browser keeps | what Nextcloud gets |
//! |---|---|---|
//! | `oc1a2b=x; HttpOnly` | `sd-<tag>-oc1a2b=x; HttpOnly` | `oc1a2b=x`, from whoever has this tag now |
//! | `__Host-nc_lax=true; path=/; secure` | `__Host-sd-<tag>-nc_lax=true; path=/; secure` | `__Host-nc_lax=true`, likewise |
//!
//! Nextcloud believes a session cookie before it looks at anything else, so a cookie that was left over by one person would
//! make the next one that person. The tag is a keyed digest of the session: nothing is stored, and nobody else's cookie
//! can be named so. Prefixes stay in front, because browsers hold such cookies to their rules (RFC 6265bis §4.1.3).
//!
//! Nothing here reads values. All of Nextcloud's own cookies are `HttpOnly`, so no script misses them under their old
//! names; what a script sets itself has no tag and does not arrive.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut as _, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use ring::hmac;

use crate::identity::{Issuer, Principal, SecretDigest};

/// Before the tag in every name.
const MARK: &[u8] = b"sd-";

/// Prefixes that browsers act on. They do so whatever the case.
const PREFIXES: [&[u8]; 2] = [b"__Host-", b"__Secure-"];

/// Begins the names of the gateway's own cookies.
const OWN: &[u8] = b"__Host-stormdoor";

/// Most cookies that one answer expires; the next answer takes the next ones.
const EXPIRED_MAX: usize = 24;

/// Longest name that is expired, in bytes. Nobody's real cookie has such a name.
const NAME_MAX: usize = 256;

/// Makes tags.
pub struct Tags(hmac::Key);

/// Whom cookies are given to.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// Somebody we know: one session, one device, or one subject of an outside issuer.
    Caller(&'a Principal),
    /// Somebody whom only Nextcloud knows, by this credential.
    Credential(&'a SecretDigest),
    /// Anybody who is not signed in.
    Visitor,
}

impl Tags {
    /// Tags made with `key`.
    pub fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// The tag of `holder`.
    pub fn of(&self, holder: Holder<'_>) -> Tag {
        let mut context = hmac::Context::with_key(&self.0);
        match holder {
            Holder::Caller(principal) => match (&principal.session, &principal.token_id) {
                (Some(session), _) => {
                    context.update(b"session\0");
                    context.update(session.to_string().as_bytes());
                }
                (None, Some(device)) if principal.issuer == Issuer::Own => {
                    context.update(b"device\0");
                    context.update(device.as_bytes());
                }
                (None, _) => {
                    context.update(b"subject\0");
                    if let Issuer::Outside(issuer) = &principal.issuer {
                        context.update(issuer.as_bytes());
                    }
                    context.update(b"\0");
                    context.update(principal.subject.as_str().as_bytes());
                }
            },
            Holder::Credential(digest) => {
                context.update(b"credential\0");
                context.update(digest.as_bytes());
            }
            Holder::Visitor => context.update(b"visitor\0"),
        }
        let digest = context.sign();
        let mut tag = [0; Tag::LENGTH];
        let most = digest.as_ref().get(..12).unwrap_or_default();
        // 12 bytes are 16 characters: it always fits.
        let _written = URL_SAFE_NO_PAD.encode_slice(most, &mut tag);
        Tag(tag)
    }
}

impl std::fmt::Debug for Tags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tags(..)")
    }
}

/// What binds a cookie: 16 characters of base64url.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tag([u8; Self::LENGTH]);

impl Tag {
    /// Characters of a tag.
    pub const LENGTH: usize = 16;
}

/// The `Set-Cookie` line that the browser gets for Nextcloud's `line`; none for a cookie without a name, which could not
/// be told from others.
pub fn outbound(tag: Tag, line: &[u8]) -> Option<HeaderValue> {
    let pair = line.split(|&byte| byte == b';').next()?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    let (name, rest) = line.split_at_checked(equals)?;
    let name = name.trim_ascii();
    if name.is_empty() {
        return None;
    }
    let (prefix, name) = split_prefix(name);
    let mut renamed = BytesMut::with_capacity(line.len() + MARK.len() + Tag::LENGTH + 1);
    for part in [prefix, MARK, &tag.0, b"-", name, rest] {
        renamed.put_slice(part);
    }
    let mut value = HeaderValue::from_maybe_shared(renamed.freeze()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What becomes of the cookies of a request.
#[derive(Debug, Default)]
pub struct Inbound {
    /// The line that Nextcloud gets.
    pub cookie: Option<HeaderValue>,
    /// The names under which the browser keeps what is in that line, for the case that all of it is to go.
    pub carried: Vec<Vec<u8>>,
    /// Names of cookies that are not this holder's, to be expired.
    pub stale: Vec<Vec<u8>>,
}

/// Sorts the cookies of a request by whoever holds `tag` now.
pub fn inbound(tag: Tag, headers: &HeaderMap) -> Inbound {
    let mut sorted = Inbound::default();
    let mut line = BytesMut::new();
    // Lines of any number are one list (RFC 9113 §8.2.3).
    let lines = headers.get_all(header::COOKIE).iter();
    for pair in lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')) {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|&byte| byte == b'=');
        let Some((name, rest)) = equals.and_then(|at| pair.split_at_checked(at)) else { continue };
        let name = name.trim_ascii();
        if name.get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN)) {
            continue;
        }
        match Named::read(name) {
            Named::Tagged { tag: found, prefix, name: inner } if found == tag.0 => {
                if !line.is_empty() {
                    line.put_slice(b"; ");
                }
                for part in [prefix, inner, rest] {
                    line.put_slice(part);
                }
                note(&mut sorted.carried, name);
            }
            Named::Tagged { .. } | Named::Nextclouds => note(&mut sorted.stale, name),
            Named::Other => {}
        }
    }
    if !line.is_empty() {
        sorted.cookie = HeaderValue::from_maybe_shared(line.freeze()).ok();
        if let Some(cookie) = &mut sorted.cookie {
            cookie.set_sensitive(true);
        }
    }
    sorted
}

/// The `Set-Cookie` line that ends the cookie `name`.
pub fn expired(name: &[u8]) -> Option<HeaderValue> {
    let rest: &[u8] = b"=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax";
    HeaderValue::from_bytes(&[name, rest].concat()).ok()
}

/// Whose a cookie is, by its name.
enum Named<'n> {
    /// Bound by a tag, whosever it is.
    Tagged { tag: &'n [u8], prefix: &'n [u8], name: &'n [u8] },
    /// As Nextcloud names its own: set before the gateway stood here, or by somebody who wants to be believed.
    Nextclouds,
    /// Of no concern.
    Other,
}

impl<'n> Named<'n> {
    fn read(whole: &'n [u8]) -> Self {
        let (prefix, rest) = split_prefix(whole);
        if let Some((tag, name)) = rest.strip_prefix(MARK).and_then(split_tag)
            && !(prefix.is_empty() && name.is_empty())
        {
            return Self::Tagged { tag, prefix, name };
        }
        if is_nextclouds(rest) { Self::Nextclouds } else { Self::Other }
    }
}

fn split_prefix(name: &[u8]) -> (&[u8], &[u8]) {
    let starts = |prefix: &&[u8]| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let length = PREFIXES.iter().find(|prefix| starts(prefix)).map_or(0, |prefix| prefix.len());
    name.split_at_checked(length).unwrap_or((&[], name))
}

fn split_tag(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, rest) = rest.split_at_checked(Tag::LENGTH)?;
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let name = rest.strip_prefix(b"-")?;
    tag.iter().all(legal).then_some((tag, name))
}

/// `nc_session_id`, `nc_username`, `nc_token`, `nc_sameSiteCookielax`, `oc_sessionPassphrase`, and the session itself, which is
/// called like the installation: `oc` and ten letters or digits.
fn is_nextclouds(name: &[u8]) -> bool {
    let instance = |rest: &[u8]| {
        rest.len() == 10 && rest.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.starts_with(b"nc_")
        || name.starts_with(b"oc_")
        || name.strip_prefix(b"oc").is_some_and(instance)
}

fn note(names: &mut Vec<Vec<u8>>, name: &[u8]) {
    // Token characters only (RFC 6265 §4.1.1): nothing else can be said back.
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if names.len() < EXPIRED_MAX
        && name.len() <= NAME_MAX
        && name.iter().all(legal)
        && !names.iter().any(|known| known == name)
    {
        names.push(name.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::{Purpose, SessionId};

    fn tags() -> Tags {
        Tags::new(hmac::Key::new(hmac::HMAC_SHA256, b"a key"))
    }

    fn visitor() -> Tag {
        tags().of(Holder::Visitor)
    }

    fn text(tag: Tag) -> String {
        String::from_utf8(tag.0.to_vec()).expect("ASCII")
    }

    fn request(lines: &[&str]) -> HeaderMap {
        let line = |line: &&str| (header::COOKIE, HeaderValue::from_str(line).expect("a value"));
        lines.iter().map(line).collect()
    }

    fn sorted(tag: Tag, lines: &[&str]) -> (Option<String>, Vec<String>) {
        let found = inbound(tag, &request(lines));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stale = found.stale.iter().map(|name| text(name)).collect();
        (found.cookie.map(|line| text(line.as_bytes())), stale)
    }

    #[test]
    fn a_cookie_leaves_under_the_tag_and_keeps_prefix_and_attributes() {
        let tag = visitor();
        for (line, expected) in [
            ("a=b", Some("sd-TAG-a=b")),
            ("a=", Some("sd-TAG-a=")),
            (" a =b=c", Some("sd-TAG-a=b=c")),
            ("a=\"x y\"; path=/nc; HttpOnly", Some("sd-TAG-a=\"x y\"; path=/nc; HttpOnly")),
            (
                "oc1=x; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0",
                Some("sd-TAG-oc1=x; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0"),
            ),
            ("__Host-a=b; path=/; secure", Some("__Host-sd-TAG-a=b; path=/; secure")),
            ("__Secure-a=b", Some("__Secure-sd-TAG-a=b")),
            ("__hOST-a=b", Some("__hOST-sd-TAG-a=b")),
            ("__Host-stormdoor=forged", Some("__Host-sd-TAG-stormdoor=forged")),
            ("sd-x-a=b", Some("sd-TAG-sd-x-a=b")),
            ("=b", None),
            ("b", None),
            ("b; path=/a=b", None),
            ("", None),
        ] {
            let expected = expected.map(|line| line.replace("TAG", &text(tag)));
            let found = outbound(tag, line.as_bytes());
            let found = found.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            assert_eq!(found, expected, "{line:?}");
        }
    }

    #[test]
    fn only_cookies_under_the_present_tag_come_back() {
        let (tag, other) = (visitor(), tags().of(Holder::Credential(&digest())));
        let own = |line: &str| line.replace("TAG", &text(tag)).replace("OTHER", &text(other));
        for (lines, expected, stale) in [
            (&["sd-TAG-a=b"][..], Some("a=b"), &[][..]),
            (&["sd-TAG-a=1; sd-TAG-a=2"], Some("a=1; a=2"), &[]),
            (&["sd-TAG-a=1", "sd-TAG-b=2"], Some("a=1; b=2"), &[]),
            (&["__Host-sd-TAG-a=b"], Some("__Host-a=b"), &[]),
            (&["__Secure-sd-TAG-a=b; x=y"], Some("__Secure-a=b"), &[]),
            (&["sd-OTHER-a=b"], None, &["sd-OTHER-a"]),
            (&["__Host-sd-OTHER-a=b; sd-TAG-a=c"], Some("a=c"), &["__Host-sd-OTHER-a"]),
            (&["sd-TAG-sd-OTHER-a=b"], Some("sd-OTHER-a=b"), &[]),
            (&["nc_session_id=x; nc_token=y"], None, &["nc_session_id", "nc_token"]),
            (&["oc1a2b3c4d5e=x"], None, &["oc1a2b3c4d5e"]),
            (&["oc_sessionPassphrase=x"], None, &["oc_sessionPassphrase"]),
            (&["__Host-nc_sameSiteCookielax=true"], None, &["__Host-nc_sameSiteCookielax"]),
            (&["ocean=x; theme=dark; sd-short-a=b"], None, &[]),
            (&["__Host-stormdoor=s; __Host-stormdoor-flow-1=x"], None, &[]),
            (&["sd-TAG-=b"], None, &[]),
            (&["sd-TAG-a"], None, &[]),
            (&["sd-OTHER-a=1; sd-OTHER-a=2"], None, &["sd-OTHER-a"]),
            (&["sd-OTHER-a\u{e4}=1"], None, &[]),
            (&[], None, &[]),
        ] {
            let lines: Vec<String> = lines.iter().map(|line| own(line)).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let headers = lines.iter().map(|line| {
                (header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).expect("a value"))
            });
            let found = inbound(tag, &headers.collect());
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(found.cookie.map(|line| text(line.as_bytes())), expected.map(own));
            let found: Vec<_> = found.stale.iter().map(|name| text(name)).collect();
            let stale: Vec<_> = stale.iter().map(|name| own(name)).collect();
            assert_eq!(found, stale, "{lines:?}");
        }
    }

    fn digest() -> SecretDigest {
        SecretDigest::of("x", Purpose::Device)
    }

    #[test]
    fn everybody_has_a_tag_of_their_own() {
        let session = |number: u128| Some(SessionId::from_uuid(uuid::Uuid::from_u128(number)));
        let ada = Principal::example("ada");
        let mut callers = vec![
            Principal { session: session(1), ..ada.clone() },
            Principal { session: session(2), ..ada.clone() },
            Principal { token_id: Some("d1".into()), ..ada.clone() },
            Principal { token_id: Some("d2".into()), ..ada.clone() },
            Principal { issuer: Issuer::Outside("a".into()), ..ada.clone() },
            Principal { issuer: Issuer::Outside("b".into()), ..ada.clone() },
            Principal::example("bob"),
        ];
        callers.push(ada);
        let tags = tags();
        let mut all: Vec<_> =
            callers.iter().map(|caller| text(tags.of(Holder::Caller(caller)))).collect();
        all.push(text(tags.of(Holder::Visitor)));
        all.push(text(tags.of(Holder::Credential(&digest()))));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        let other = Tags::new(hmac::Key::new(hmac::HMAC_SHA256, b"another key"));
        assert_ne!(text(other.of(Holder::Visitor)), text(visitor()));
    }

    #[test]
    fn what_is_expired_is_bounded() {
        let line: String = (0..100).map(|n| format!("nc_{n}=x")).collect::<Vec<_>>().join("; ");
        assert_eq!(sorted(visitor(), &[&line]).1.len(), EXPIRED_MAX);
        let expired = expired(b"__Host-nc_x").expect("a value");
        assert!(expired.as_bytes().starts_with(b"__Host-nc_x=; Path=/; Max-Age=0; Secure"));
    }

    const NAME: &str =
        "(__Host-|__Secure-|__host-|sd-[A-Za-z0-9_-]{16}-)?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}";
    const VALUE: &str = "[!#-+\\--:<-\\[\\]-~]{0,30}";

    proptest! {
        #[test]
        fn what_goes_out_under_a_tag_comes_back_as_it_was_under_that_tag_only(
            cookies in prop::collection::vec((NAME, VALUE), 1..6),
            mine in any::<u128>(),
            theirs in any::<u128>(),
        ) {
            prop_assume!(mine != theirs);
            let tag_of = |number| {
                let session = Some(SessionId::from_uuid(uuid::Uuid::from_u128(number)));
                tags().of(Holder::Caller(&Principal { session, ..Principal::example("ada") }))
            };
            let mut jar = Vec::new();
            for (name, value) in &cookies {
                let line = format!("{name}={value}; Path=/; Secure");
                let out = outbound(tag_of(mine), line.as_bytes()).expect("it has a name");
                let out = out.to_str().expect("ASCII").to_owned();
                let kept = out.strip_suffix("; Path=/; Secure").expect("attributes stay");
                jar.push(kept.to_owned());
            }
            let jar = jar.join("; ");
            let all: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            prop_assert_eq!(sorted(tag_of(mine), &[&jar]).0, Some(all.join("; ")));
            prop_assert_eq!(sorted(tag_of(theirs), &[&jar]).0, None);
            prop_assert_eq!(sorted(visitor(), &[&jar]).0, None);
        }

        #[test]
        fn no_request_makes_it_panic_and_nothing_untagged_passes(line in "[ -~]{0,80}") {
            let (cookie, _) = sorted(visitor(), &[&line]);
            prop_assert!(cookie.is_none() || line.contains(&text(visitor())));
            let _line = outbound(visitor(), line.as_bytes());
        }
    }
}
