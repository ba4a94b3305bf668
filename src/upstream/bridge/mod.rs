//! The identity bridge: Nextcloud takes a request for our user's, and nothing that somebody left behind speaks louder.
//!
//! | step | where |
//! |---|---|
//! | who is meant | the gate: [`Admission::cloud_id`] |
//! | how Nextcloud is told | [`Bridge::cross`]: a token, an app password, headers of its `AppAPI`, or not at all |
//! | whose cookies these are | [`cookies`]: bound by their names |
//! | whom the answer is for | [`Crossing::come_back`]: `X-User-Id` names who Nextcloud took it for |
//!
//! Nextcloud asks its session cookie first and looks at nothing else when that is good. So the credential that is added here
//! never has to win against a cookie: only those are forwarded that the same caller was given.

pub mod cookies;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use pingora_http::{RequestHeader, ResponseHeader};
use quick_cache::sync::Cache;
use smallvec::{SmallVec, smallvec};

use self::cookies::{Holder, Inbound, Tag, Tags};
use crate::clock::Timestamp;
use crate::config::{AppApi, NextcloudBridge, NextcloudSettings};
use crate::gate::{Admission, Caller, Refusal};
use crate::identity::provisioning::CloudAccount;
use crate::identity::token::{AccessTokens, UPSTREAM_REUSE};
use crate::identity::{CloudId, Identity, Principal, UserId};
use crate::route::AccessRule;

const AUTHORIZATION_APP_API: HeaderName = HeaderName::from_static("authorization-app-api");
const EX_APP_ID: HeaderName = HeaderName::from_static("ex-app-id");
const EX_APP_VERSION: HeaderName = HeaderName::from_static("ex-app-version");
const X_USER_ID: HeaderName = HeaderName::from_static("x-user-id");

/// Callers whose token is kept for half a minute.
const REMEMBERED: usize = 8192;

/// How long what the journal says of somebody is believed, when they have an account.
const ACCOUNT_REUSE: Duration = Duration::from_secs(30);

/// The same, while they have none.
const NO_ACCOUNT_REUSE: Duration = Duration::from_secs(2);

/// What the key of the tags is derived for.
const PURPOSE: &str = "nextcloud cookies";

/// Headers that say who is calling.
pub type Introduction = SmallVec<[(HeaderName, HeaderValue); 3]>;

/// Leads requests to Nextcloud, by one configuration.
pub struct Bridge {
    means: NextcloudBridge,
    client_id: Arc<str>,
    tags: Tags,
    identity: Arc<Identity>,
    tokens: Arc<AccessTokens>,
    vouched: Cache<Vouched, (Timestamp, HeaderValue)>,
    /// What the journal of provisioning said of somebody lately.
    accounts: Cache<UserId, (Timestamp, CloudAccount)>,
}

/// What a token says. Others who would be told of in the same words get the same one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Vouched {
    id: CloudId,
    email: Option<Arc<str>>,
}

impl Bridge {
    /// The bridge that `settings` describes.
    pub fn new(
        settings: &NextcloudSettings,
        identity: Arc<Identity>,
        tokens: Arc<AccessTokens>,
    ) -> Self {
        Self {
            means: settings.bridge.clone(),
            client_id: Arc::clone(&settings.oidc.client_id),
            tags: Tags::new(identity.digest_key(PURPOSE)),
            identity,
            tokens,
            vouched: Cache::new(REMEMBERED),
            accounts: Cache::new(REMEMBERED),
        }
    }

    /// Prepares what goes over: what Nextcloud is told, and the cookies that it gave to this caller.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoCloudPassword`] (403), and [`Refusal::Unavailable`] (503) when the store does not answer.
    pub async fn cross(
        &self,
        admission: &Admission,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Crossing, Refusal> {
        let caller = admission.permit().caller();
        let holder = match caller {
            Caller::Anonymous => Holder::Visitor,
            Caller::Known(principal) => Holder::Caller(principal),
            Caller::OfUpstream(digest) => Holder::Credential(digest),
        };
        let tag = self.tags.of(holder);
        let mut cookies = cookies::inbound(tag, headers);
        if is_cross_site(headers) {
            // The browser may have kept our own cookie to itself: what looks stale may be in use.
            cookies.stale.clear();
        }
        let crossing = |meant, introduction, stored| Crossing {
            tag,
            cookies,
            meant,
            introduction,
            stored,
            passes: matches!(caller, Caller::OfUpstream(_)),
        };
        let (principal, id) = match (caller, admission.cloud_id()) {
            (Caller::OfUpstream(_), _) => {
                return Ok(crossing(Meant::Anybody, Introduction::new(), None));
            }
            (Caller::Known(principal), Some(id)) => (principal, id),
            // Who signs in there, too, is whoever Nextcloud says.
            (Caller::Known(_), None) if matches!(self.means, NextcloudBridge::Pass) => {
                return Ok(crossing(Meant::Anybody, Introduction::new(), None));
            }
            (Caller::Anonymous | Caller::Known(_), _) => {
                let accept = admission.route().accept;
                let passes = accept.upstream || matches!(self.means, NextcloudBridge::Pass);
                let meant = if passes { Meant::Anybody } else { Meant::Nobody };
                return Ok(crossing(meant, Introduction::new(), None));
            }
        };
        let id = &match self.account_of(principal, id, now).await {
            Ok(id) => id,
            // On a public route such a caller goes on as nobody.
            Err(_) if admission.route().access == AccessRule::Public => {
                let meant =
                    if admission.route().accept.upstream { Meant::Anybody } else { Meant::Nobody };
                return Ok(crossing(meant, Introduction::new(), None));
            }
            Err(refusal) => return Err(refusal),
        };
        let introduction = match &self.means {
            NextcloudBridge::AppApi(app_api) => by_app_api(app_api, id),
            NextcloudBridge::AppPassword => {
                let user: UserId = principal
                    .subject
                    .as_str()
                    .parse()
                    .map_err(|_| Refusal::Internal { reason: "subject" })?;
                let password = self.identity.cloud_password(user).await;
                let password = password.map_err(|error| {
                    tracing::error!(%error, "app passwords of Nextcloud cannot be read");
                    Refusal::Unavailable { what: "store" }
                })?;
                let password = password.ok_or(Refusal::NoCloudPassword)?;
                let value = by_basic(id, password.expose())?;
                let introduction = smallvec![(header::AUTHORIZATION, value)];
                return Ok(crossing(Meant::Account(id.clone()), introduction, Some(user)));
            }
            NextcloudBridge::Oidc => {
                smallvec![(header::AUTHORIZATION, self.by_token(id, principal, now)?)]
            }
            NextcloudBridge::Pass => Introduction::new(),
        };
        Ok(crossing(Meant::Account(id.clone()), introduction, None))
    }

    /// The account that is the caller's by now. Looked up once in half a minute, and every two seconds while there is none.
    async fn account_of(
        &self,
        principal: &Principal,
        by_rule: &CloudId,
        now: Timestamp,
    ) -> Result<CloudId, Refusal> {
        let user = principal.subject.as_str().parse();
        let user: UserId = user.map_err(|_| Refusal::Internal { reason: "subject" })?;
        let known = self.accounts.get(&user).filter(|(since, account)| {
            let settled = matches!(account, CloudAccount::Settled(_) | CloudAccount::ByRule);
            now.since(*since) < if settled { ACCOUNT_REUSE } else { NO_ACCOUNT_REUSE }
        });
        let account = if let Some((_, account)) = known {
            account
        } else {
            let account = self.identity.cloud_account(user).await.map_err(|error| {
                tracing::error!(%error, "the journal of provisioning cannot be read");
                Refusal::Unavailable { what: "store" }
            })?;
            self.accounts.insert(user, (now, account.clone()));
            account
        };
        match account {
            CloudAccount::ByRule => Ok(by_rule.clone()),
            CloudAccount::Settled(id) => Ok(id),
            CloudAccount::NotYet => Err(Refusal::Unavailable { what: "nextcloud_account" }),
            CloudAccount::None => {
                Err(Refusal::NoCloudAccount { reason: "cloud_account_not_theirs" })
            }
        }
    }

    /// One signature for each caller in half a minute.
    fn by_token(
        &self,
        id: &CloudId,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<HeaderValue, Refusal> {
        let email = principal.email.clone().filter(|_| principal.email_verified);
        let key = Vouched { id: id.clone(), email };
        if let Some((made, value)) = self.vouched.get(&key)
            && now.since(made) < UPSTREAM_REUSE
        {
            return Ok(value);
        }
        let email = key.email.as_deref();
        let token = self.tokens.issue_for_nextcloud(id, email, &self.client_id, now);
        let token = token.ok_or(Refusal::Internal { reason: "no_published_key" })?;
        let value = sensitive(&format!("Bearer {token}"))?;
        self.vouched.insert(key, (now, value.clone()));
        Ok(value)
    }

    /// Notes that Nextcloud did not take what it was told by: an app password is not shown to it again.
    pub fn not_taken(&self, crossing: &Crossing) {
        if let Some(user) = crossing.stored {
            tracing::warn!(%user, "Nextcloud does not take the app password that is stored for this user");
            self.identity.cloud_password_refused(user);
        }
    }
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge").field("means", &self.means).finish_non_exhaustive()
    }
}

/// Whom Nextcloud may take a request for.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Meant {
    /// This account.
    Account(CloudId),
    /// Whoever showed it something of its own.
    Anybody,
    /// Nobody.
    Nobody,
}

impl Meant {
    /// Whether an answer for `id` is for whom we meant.
    fn is(&self, id: &[u8]) -> bool {
        match self {
            Self::Account(meant) => std::str::from_utf8(id).is_ok_and(|id| meant.is(id)),
            Self::Anybody => true,
            Self::Nobody => false,
        }
    }
}

/// Whether Nextcloud answered somebody whom it knows. That it answered at all says nothing: it looks at no credential on
/// what anybody may have.
pub fn is_somebodys(head: &ResponseHeader) -> bool {
    head.headers.get(X_USER_ID).is_some_and(|id| !id.as_bytes().trim_ascii().is_empty())
}

/// Nextcloud took a request for somebody else's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stranger;

/// One request on its way over, and its answer back.
#[derive(Debug)]
pub struct Crossing {
    tag: Tag,
    cookies: Inbound,
    meant: Meant,
    introduction: Introduction,
    /// Whose stored app password was shown.
    stored: Option<UserId>,
    /// Whether the caller shows Nextcloud a credential of its own.
    passes: bool,
}

impl Crossing {
    /// What Nextcloud is told about the caller.
    pub fn introduction(&self) -> &Introduction {
        &self.introduction
    }

    /// Whether the client's own `Authorization` is for Nextcloud.
    pub fn passes(&self) -> bool {
        self.passes
    }

    /// The cookies that go over.
    pub fn cookie(&self) -> Option<&HeaderValue> {
        self.cookies.cookie.as_ref()
    }

    /// Whether Nextcloud refused what it was told by, when it answers with `status`.
    pub fn is_refused(&self, status: http::StatusCode) -> bool {
        status == http::StatusCode::UNAUTHORIZED
            && !matches!(self.meant, Meant::Nobody | Meant::Anybody)
    }

    /// Looks at whom the answer is for, and binds the cookies in it. Who that is stays between Nextcloud and us.
    ///
    /// # Errors
    ///
    /// [`Stranger`]: then the answer is for somebody else, and nothing of it may be shown.
    pub fn come_back(&self, head: &mut ResponseHeader) -> Result<(), Stranger> {
        let ids = head.headers.get_all(X_USER_ID).iter().map(|id| id.as_bytes().trim_ascii());
        if ids.filter(|id| !id.is_empty()).any(|id| !self.meant.is(id)) {
            return Err(Stranger);
        }
        head.remove_header(&X_USER_ID);
        let set = head.headers.get_all(header::SET_COOKIE).iter();
        let bound: Vec<HeaderValue> =
            set.filter_map(|line| cookies::outbound(self.tag, line.as_bytes())).collect();
        let stale = self.cookies.stale.iter().filter_map(|name| cookies::expired(name));
        let lines: Vec<_> = bound.into_iter().chain(stale).collect();
        head.remove_header(&header::SET_COOKIE);
        for line in lines {
            // No line is longer than the one that it was made from by more than a few bytes.
            let _kept = head.append_header(header::SET_COOKIE, line);
        }
        Ok(())
    }

    /// `Set-Cookie` lines that end every cookie of Nextcloud's that came with the request.
    pub fn farewell(&self) -> impl Iterator<Item = HeaderValue> {
        let all = self.cookies.carried.iter().chain(&self.cookies.stale);
        all.filter_map(|name| cookies::expired(name))
    }

    /// Takes the place of the cookies in `head` and of what says who is calling.
    pub(super) fn go_over(&self, head: &mut RequestHeader) -> pingora_core::Result<()> {
        head.remove_header(&header::COOKIE);
        if let Some(cookie) = self.cookie() {
            head.insert_header(header::COOKIE, cookie.clone())?;
        }
        for (name, value) in self.introduction() {
            head.insert_header(name.clone(), value.clone())?;
        }
        Ok(())
    }
}

fn by_app_api(app_api: &AppApi, id: &CloudId) -> Introduction {
    let mut pair = id.as_str().as_bytes().to_vec();
    pair.push(b':');
    pair.extend_from_slice(app_api.secret.expose());
    let mut value = HeaderValue::try_from(STANDARD.encode(pair)).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    smallvec![
        (EX_APP_ID, app_api.id.clone()),
        (EX_APP_VERSION, app_api.version.clone()),
        (AUTHORIZATION_APP_API, value),
    ]
}

fn by_basic(id: &CloudId, password: &str) -> Result<HeaderValue, Refusal> {
    sensitive(&format!("Basic {}", STANDARD.encode(format!("{id}:{password}"))))
}

fn sensitive(text: &str) -> Result<HeaderValue, Refusal> {
    let value = HeaderValue::try_from(text);
    let mut value = value.map_err(|_| Refusal::Internal { reason: "introduction" })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether another site sent this: its browser may leave cookies out.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"cross-site")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{CloudIdRule, CloudIds};

    fn id(name: &str) -> CloudId {
        let none: &[&str] = &[];
        CloudIds::new(CloudIdRule::Username, none).of(name, "").expect("legal")
    }

    fn crossing(meant: Meant) -> Crossing {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"a key");
        let tag = Tags::new(key).of(Holder::Visitor);
        let cookies = Inbound {
            cookie: None,
            carried: vec![b"sd-x-session".to_vec()],
            stale: vec![b"nc_token".to_vec()],
        };
        Crossing {
            tag,
            cookies,
            meant,
            introduction: Introduction::new(),
            stored: None,
            passes: false,
        }
    }

    fn answer(lines: &[(&'static str, &str)]) -> ResponseHeader {
        let mut head = ResponseHeader::build(200, None).expect("a head");
        for (name, value) in lines {
            head.append_header(*name, *value).expect("a header");
        }
        head
    }

    #[test]
    fn an_answer_is_for_whom_we_meant_or_for_nobody_at_all() {
        let ada = || Meant::Account(id("ada"));
        for (meant, ids, fits) in [
            (ada(), &["ada"][..], true),
            (ada(), &["Ada"], true),
            (ada(), &[" ada "], true),
            (ada(), &[], true),
            (ada(), &[""], true),
            (ada(), &["bob"], false),
            (ada(), &["ada2"], false),
            (ada(), &["ada", "bob"], false),
            (ada(), &["ada, bob"], false),
            (Meant::Nobody, &[], true),
            (Meant::Nobody, &["ada"], false),
            (Meant::Anybody, &["bob"], true),
        ] {
            let lines: Vec<_> = ids.iter().map(|id| ("x-user-id", *id)).collect();
            let mut head = answer(&lines);
            let crossing = crossing(meant);
            assert_eq!(crossing.come_back(&mut head).is_ok(), fits, "{crossing:?} {ids:?}");
            assert!(!fits || !head.headers.contains_key("x-user-id"), "it goes no further");
        }
    }

    #[test]
    fn every_set_cookie_line_stays_a_line_in_its_place() {
        let mut head = answer(&[
            ("set-cookie", "s=1; path=/"),
            ("set-cookie", "s=2; path=/"),
            ("set-cookie", "__Host-x=y; path=/; secure"),
            ("set-cookie", "nameless"),
            ("set-cookie", "s=3; path=/"),
        ]);
        crossing(Meant::Anybody).come_back(&mut head).expect("for anybody");
        let lines: Vec<_> = head.headers.get_all("set-cookie").iter().collect();
        let without_tag: Vec<_> = lines
            .iter()
            .map(|line| {
                let text = line.to_str().expect("ASCII");
                match text.split_once("sd-") {
                    Some((prefix, rest)) => format!("{prefix}{}", &rest[Tag::LENGTH + 1..]),
                    None => text.to_owned(),
                }
            })
            .collect();
        assert_eq!(
            without_tag,
            [
                "s=1; path=/",
                "s=2; path=/",
                "__Host-x=y; path=/; secure",
                "s=3; path=/",
                "nc_token=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
            ]
        );
    }

    #[test]
    fn a_farewell_ends_what_came_along() {
        let names: Vec<_> = crossing(Meant::Nobody)
            .farewell()
            .map(|line| line.to_str().expect("ASCII").split('=').next().map(str::to_owned))
            .collect();
        assert_eq!(names, [Some("sd-x-session".to_owned()), Some("nc_token".to_owned())]);
    }
}
