//! Verifying any access token (RFC 7519, RFC 8725, RFC 9068), with a cache of verified ones.
//!
//! | checked | against |
//! |---|---|
//! | `iss` | the issuers that are configured, byte by byte; everything below is pinned by the one it names |
//! | `alg` | the issuer's algorithms, and then the key's own kind |
//! | `kid` | the issuer's keys; an unknown one asks for newer keys, rarely |
//! | signature | the key |
//! | `typ`, `aud`, `exp`, `nbf`, `iat`, `sub` | the issuer's rules and the time |
//! | revocation | memory, at every use, cached or not |

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use ring::digest;
use serde_json::{Map, Value};

use super::issuer::IssuerRules;
use super::jws::Compact;
use super::{Algorithm, KeySet};
use crate::clock::Timestamp;
use crate::identity::revocation::Revocations;
use crate::identity::{
    CredentialKind, Issuer, Permission, Principal, Roles, SessionId, Subject, is_name,
};
use crate::throttle::Allowance;

/// Verified tokens that are remembered.
const REMEMBERED: usize = 64 * 1024;

/// Names of roles or groups that are read from one token.
const MAX_NAMES: usize = 256;

/// The tier of a caller about whom nothing says another.
const DEFAULT_TIER: &str = "free";

/// Why a token is not good.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.reason())]
pub enum TokenError {
    /// The signature does not fit.
    BadSignature,
    /// It has expired.
    Expired,
    /// The issuer's keys are out: nobody can say.
    KeysUnavailable,
    /// Not a compact JWS with a JSON payload that we read.
    Malformed,
    /// A claim that must be there is not, or is of another kind.
    MissingClaim,
    /// Not valid yet, or made in the future.
    NotYetValid,
    /// Ended before it expired.
    Revoked,
    /// No issuer of that name is configured.
    UnknownIssuer,
    /// The issuer has no such key.
    UnknownKey,
    /// An algorithm that this issuer does not use.
    WrongAlgorithm,
    /// Made for somebody else.
    WrongAudience,
    /// Another kind of token.
    WrongType,
}

impl TokenError {
    /// One word, from a fixed list.
    pub fn reason(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Malformed => "malformed",
            Self::MissingClaim => "missing_claim",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::UnknownIssuer => "unknown_issuer",
            Self::UnknownKey => "unknown_key",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::WrongAudience => "wrong_audience",
            Self::WrongType => "wrong_type",
        }
    }
}

/// A whole token, by its digest: two tokens never share an entry.
type TokenDigest = [u8; 32];

/// Verifies tokens of all configured issuers.
pub struct Verifier {
    issuers: HashMap<Arc<str>, IssuerRules>,
    roles: Roles,
    revocations: Arc<Revocations>,
    verified: Cache<TokenDigest, Arc<Principal>>,
}

impl Verifier {
    /// A verifier for these issuers. A reload makes a new one, so nothing verified under old rules stays.
    pub fn new(
        issuers: impl IntoIterator<Item = IssuerRules>,
        roles: Roles,
        revocations: Arc<Revocations>,
    ) -> Self {
        let issuers = issuers.into_iter().map(|rules| (Arc::clone(&rules.name), rules)).collect();
        Self { issuers, roles, revocations, verified: Cache::new(REMEMBERED) }
    }

    /// Whom `token` speaks for, when it was verified before and is still good at `now`. Asks nobody.
    pub fn cached(&self, token: &str, now: Timestamp) -> Option<Arc<Principal>> {
        let principal = self.verified.get(&digest_of(token))?;
        self.still_good(&principal, now).ok()?;
        Some(principal)
    }

    /// Verifies `token` at `now`.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; only [`TokenError::KeysUnavailable`] is worth trying again.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Principal>, TokenError> {
        if let Some(principal) = self.verified.get(&digest_of(token)) {
            self.still_good(&principal, now)?;
            return Ok(principal);
        }
        let compact = Compact::parse(token).map_err(|_| TokenError::Malformed)?;
        let claims: Map<String, Value> =
            serde_json::from_slice(&compact.payload).map_err(|_| TokenError::Malformed)?;
        let issuer = claims.get("iss").and_then(Value::as_str).ok_or(TokenError::MissingClaim)?;
        let rules = self.issuers.get(issuer).ok_or(TokenError::UnknownIssuer)?;

        // `none` is no algorithm, so it does not parse.
        let algorithm: Algorithm =
            compact.header.alg.parse().map_err(|_| TokenError::WrongAlgorithm)?;
        if !rules.algorithms.contains(&algorithm) {
            return Err(TokenError::WrongAlgorithm);
        }
        check_type(rules, compact.header.typ.as_deref())?;
        let keys = self.keys(rules, compact.header.kid.as_deref()).await?;
        let key =
            keys.find(compact.header.kid.as_deref(), algorithm).ok_or(TokenError::UnknownKey)?;
        if !compact.is_signed_by(&key.key) {
            return Err(TokenError::BadSignature);
        }

        let principal = Arc::new(self.principal(rules, &claims, now)?);
        self.still_good(&principal, now)?;
        self.verified.insert(digest_of(token), Arc::clone(&principal));
        Ok(principal)
    }

    async fn keys(
        &self,
        rules: &IssuerRules,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, TokenError> {
        let present = rules.keys.current();
        match (present, kid) {
            (Some(keys), None) => Ok(keys),
            (Some(keys), Some(kid)) if keys.has(kid) => Ok(keys),
            (present, kid) => {
                let newer = rules.keys.refresh(kid.unwrap_or_default()).await;
                newer.or(present).ok_or(TokenError::KeysUnavailable)
            }
        }
    }

    fn still_good(&self, principal: &Principal, now: Timestamp) -> Result<(), TokenError> {
        if now >= principal.expires_at {
            return Err(TokenError::Expired);
        }
        if self.revocations.is_revoked(principal) {
            return Err(TokenError::Revoked);
        }
        Ok(())
    }

    fn principal(
        &self,
        rules: &IssuerRules,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Principal, TokenError> {
        check_audience(rules, claims.get("aud"))?;
        let subject = claims.get("sub").and_then(Value::as_str).ok_or(TokenError::MissingClaim)?;
        if subject.is_empty() || subject.len() > 255 || subject.contains(char::is_control) {
            return Err(TokenError::MissingClaim);
        }
        let expires_at = seconds(claims, "exp")?.ok_or(TokenError::MissingClaim)? + rules.leeway;
        let issued_at = seconds(claims, "iat")?;
        let not_before = seconds(claims, "nbf")?;
        if [issued_at, not_before].into_iter().flatten().any(|from| from > now + slack(rules)) {
            return Err(TokenError::NotYetValid);
        }
        let mut roles = names(claims, &rules.roles_claim);
        roles.extend(
            rules
                .default_roles
                .iter()
                .filter(|role| !roles.contains(role))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let known: Vec<_> = roles.iter().filter_map(|role| self.roles.find(role)).collect();
        let said_tier = rules
            .tier_claim
            .as_ref()
            .and_then(|path| at_path(claims, path)?.as_str())
            .filter(|tier| is_name(tier));
        let tier = said_tier
            .map(Arc::from)
            .or_else(|| known.first().map(|role| Arc::clone(&role.tier)))
            .unwrap_or_else(|| DEFAULT_TIER.into());
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(Arc::from);
        Ok(Principal {
            subject: Subject::new(subject.to_owned()),
            issuer: rules.kind.clone(),
            username: text("preferred_username"),
            email: text("email"),
            email_verified: claims.get("email_verified").and_then(Value::as_bool) == Some(true),
            groups: names(claims, &rules.groups_claim),
            scopes: scopes(claims),
            permissions: self
                .roles
                .permissions(roles.iter().map(|role| &**role))
                .iter()
                .cloned()
                .chain(own_permissions(rules, claims))
                .collect(),
            tier,
            rate_limit: widest(known.iter().filter_map(|role| role.rate_limit)),
            kind: CredentialKind::AccessToken,
            session: own_session(rules, claims)?,
            token_id: text("jti"),
            issued_at: own_issued_at(rules, claims).or(issued_at).unwrap_or_default(),
            expires_at,
            second_factor_at: own_second_factor(rules, claims),
            roles,
        })
    }
}

fn digest_of(token: &str) -> TokenDigest {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// RFC 8725 §3.11: an ID token, or a token for something else, is no access token.
fn check_type(rules: &IssuerRules, typ: Option<&str>) -> Result<(), TokenError> {
    // Absent is what most issuers mean by plain `JWT`.
    let typ = typ.unwrap_or("jwt").to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    if rules.types.iter().any(|accepted| accepted == typ) {
        Ok(())
    } else {
        Err(TokenError::WrongType)
    }
}

fn check_audience(rules: &IssuerRules, audience: Option<&Value>) -> Result<(), TokenError> {
    let accepted = |value: &Value| {
        value.as_str().is_some_and(|audience| rules.audience.iter().any(|own| **own == *audience))
    };
    let fits = match audience {
        Some(Value::Array(all)) => all.iter().any(accepted),
        Some(one) => accepted(one),
        None => return Err(TokenError::MissingClaim),
    };
    if fits { Ok(()) } else { Err(TokenError::WrongAudience) }
}

/// A `NumericDate` (RFC 7519 §2), which may have a fraction. Of another kind: an error, not absent.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_i64().or_else(|| {
        let fraction = value.as_f64().filter(|seconds| seconds.abs() < 1e12)?;
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        Some(fraction as i64)
    });
    // Far enough for every honest date, and far from overflow.
    let sane = whole.filter(|seconds| (0..=253_402_300_799).contains(seconds));
    sane.map(|seconds| Some(Timestamp::from_secs(seconds))).ok_or(TokenError::MissingClaim)
}

/// Our own clock is one clock, but `iat` has whole seconds.
fn slack(rules: &IssuerRules) -> Duration {
    rules.leeway.max(Duration::from_secs(1))
}

fn at_path<'a>(claims: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, key| value.get(key))
}

/// A list of names, as an array or separated by blanks or commas. What is no legal name is left out: it could not be
/// said in a header.
fn names(claims: &Map<String, Value>, path: &[String]) -> Vec<Arc<str>> {
    let legal = |name: &&str| is_name(name);
    match at_path(claims, path) {
        Some(Value::Array(all)) => all
            .iter()
            .filter_map(Value::as_str)
            .filter(legal)
            .take(MAX_NAMES)
            .map(Arc::from)
            .collect(),
        Some(Value::String(all)) => {
            all.split([' ', ',']).filter(legal).take(MAX_NAMES).map(Arc::from).collect()
        }
        _ => Vec::new(),
    }
}

/// `scope` (RFC 9068 §2.2.3), or `scp` as some issuers call it.
fn scopes(claims: &Map<String, Value>) -> Option<Vec<Arc<str>>> {
    let value = claims.get("scope").or_else(|| claims.get("scp"))?;
    let split =
        |text: &str| text.split(' ').filter(|scope| !scope.is_empty()).map(Arc::from).collect();
    Some(match value {
        Value::String(text) => split(text),
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(Arc::from).collect(),
        _ => Vec::new(),
    })
}

/// Sessions are ours: what others call `sid` means nothing here. Ours always have one.
fn own_session(
    rules: &IssuerRules,
    claims: &Map<String, Value>,
) -> Result<Option<SessionId>, TokenError> {
    if rules.kind != Issuer::Own {
        return Ok(None);
    }
    let session = claims.get("sid").and_then(Value::as_str).and_then(|text| text.parse().ok());
    session.map(Some).ok_or(TokenError::MissingClaim)
}

fn own_second_factor(rules: &IssuerRules, claims: &Map<String, Value>) -> Option<Timestamp> {
    if rules.kind != Issuer::Own {
        return None;
    }
    seconds(claims, "second_factor_at").ok().flatten()
}

/// Permissions beside those of the roles, as our own tokens tell them. What others call so means nothing here.
fn own_permissions(rules: &IssuerRules, claims: &Map<String, Value>) -> Vec<Permission> {
    let listed = claims.get("permissions").and_then(Value::as_array);
    let listed = listed.filter(|_| rules.kind == Issuer::Own);
    let texts = listed.into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(|text| text.parse().ok()).take(MAX_NAMES).collect()
}

/// Our own tokens tell to the millisecond when they were made, so that one which is made right after a change is not
/// taken for one from right before it.
fn own_issued_at(rules: &IssuerRules, claims: &Map<String, Value>) -> Option<Timestamp> {
    let millis = claims.get("iat_ms").and_then(Value::as_i64)?;
    (rules.kind == Issuer::Own).then_some(Timestamp::from_millis(millis))
}

/// Somebody with several roles has the widest of their limits.
pub(in crate::identity) fn widest(
    allowances: impl Iterator<Item = Allowance>,
) -> Option<Allowance> {
    let rate = |allowance: &Allowance| match allowance {
        Allowance::Limited(quota) => {
            u128::from(quota.limit()) * 1_000_000 / quota.window().as_millis().max(1)
        }
        Allowance::Unlimited => u128::MAX,
    };
    allowances.max_by_key(rate)
}

#[cfg(test)]
mod tests;
