//! An authorization request (OpenID Connect Core §3.1.2.1), read strictly, and what may be answered to whom.
//!
//! | what is wrong | who is told |
//! |---|---|
//! | the client, or where to send it | the person, by a page: nothing is sent anywhere |
//! | anything else | the client, at its redirect URI |

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pkce::is_challenge;
use super::{Client, Pkce};
use crate::clock::Timestamp;

/// Longest `state` and `nonce`, in bytes. They come back byte for byte.
const ECHOED_MAX: usize = 512;

/// A request that can be answered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: String,
    /// Where the answer goes: one of the client's.
    pub redirect_uri: String,
    /// Comes back as it is.
    pub state: Option<String>,
    /// Comes back in the ID token.
    pub nonce: Option<String>,
    /// S256 of the verifier.
    pub(super) challenge: Option<String>,
    /// What may be told.
    pub(super) scopes: Scopes,
    pub(super) prompt: Prompt,
    /// Seconds since somebody signed in, at most.
    pub(super) max_age: Option<u64>,
    /// Who it probably is.
    pub login_hint: Option<String>,
    /// When it was asked, in milliseconds: who signed in since signed in for this.
    pub(super) asked_at: i64,
}

/// Beside who somebody is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Scopes {
    pub(super) profile: bool,
    pub(super) email: bool,
}

impl Scopes {
    fn of(text: &str) -> Self {
        let has = |name: &str| text.split(' ').any(|scope| scope == name);
        Self { profile: has("profile"), email: has("email") }
    }

    /// As in the token answer.
    pub(super) fn text(self) -> String {
        let mut text = "openid".to_owned();
        for (given, name) in [(self.profile, " profile"), (self.email, " email")] {
            if given {
                text.push_str(name);
            }
        }
        text
    }
}

/// What may be shown to the person.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Prompt {
    /// What is needed. Consent is not: the clients are our own.
    AsNeeded,
    /// The sign-in, even to somebody who is signed in.
    SignIn,
    /// Nothing.
    Nothing,
}

/// Why a request is not answered with a code.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Told to the client.
    #[error("refused with {}", .0.error.name())]
    SentBack(SentBack),
    /// Told to the person.
    #[error(transparent)]
    Shown(#[from] Unanswerable),
}

/// There is nowhere that an answer may be sent to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unanswerable {
    /// Nobody of this `client_id`.
    #[error("no client of this client_id is known here")]
    Client,
    /// Not one of the client's, letter by letter.
    #[error("the redirect_uri is not one of this client's")]
    RedirectUri,
}

/// An error for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SentBack {
    /// Where.
    pub redirect_uri: String,
    /// As it came.
    pub state: Option<String>,
    /// What.
    pub error: AuthorizationError,
}

/// Errors of RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthorizationError {
    /// Somebody may not, or would not.
    AccessDenied,
    /// A second factor would have to be asked for, and nothing may be shown.
    InteractionRequired,
    /// Something is missing, twice there or not as it must be.
    InvalidRequest,
    /// `openid` is not asked for.
    InvalidScope,
    /// A sign-in would have to be asked for, and nothing may be shown.
    LoginRequired,
    /// A client that describes itself (OpenID Connect Core §7.2.1).
    RegistrationNotSupported,
    /// A request as a token (OpenID Connect Core §6).
    RequestNotSupported,
    /// A request elsewhere.
    RequestUriNotSupported,
    /// Anything but the code flow.
    UnsupportedResponseType,
}

impl AuthorizationError {
    /// The `error` parameter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InteractionRequired => "interaction_required",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::LoginRequired => "login_required",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }
}

impl AuthorizationRequest {
    /// Reads the parameters of a request that came `now`.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub(super) fn read(
        parameters: &[(String, String)],
        clients: &[Arc<Client>],
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let one = |name| only(parameters, name);
        let client = one("client_id").ok().flatten().ok_or(Unanswerable::Client)?;
        let client = clients.iter().find(|known| *known.id == *client);
        let client = client.ok_or(Unanswerable::Client)?;
        let redirect_uri = one("redirect_uri").ok().flatten().ok_or(Unanswerable::RedirectUri)?;
        if !client.redirect_uris.iter().any(|known| **known == *redirect_uri) {
            return Err(Unanswerable::RedirectUri.into());
        }
        let (client, pkce) = (client.id.to_string(), client.pkce);
        let redirect_uri = redirect_uri.to_owned();
        let refused = |state: &Option<String>, error| {
            let (redirect_uri, state) = (redirect_uri.clone(), state.clone());
            Refused::SentBack(SentBack { redirect_uri, state, error })
        };
        let state = one("state").and_then(echoed).map_err(|error| refused(&None, error))?;
        let rest = Rest::read(parameters, pkce).map_err(|error| refused(&state, error))?;
        let Rest { nonce, challenge, scopes, prompt, max_age, login_hint } = rest;
        let asked_at = now.as_millis();
        Ok(Self {
            client,
            redirect_uri,
            state,
            nonce,
            challenge,
            scopes,
            prompt,
            max_age,
            login_hint,
            asked_at,
        })
    }

    /// With `error` for the client.
    pub(super) fn refuse(&self, error: AuthorizationError) -> SentBack {
        let Self { redirect_uri, state, .. } = self.clone();
        SentBack { redirect_uri, state, error }
    }

    /// Whether somebody who signed in at `auth_time` did so lately enough at `now`, by what was asked for.
    pub(super) fn is_satisfied_by(&self, auth_time: Timestamp, now: Timestamp) -> bool {
        if auth_time.as_millis() >= self.asked_at {
            return true;
        }
        let age = now.since(auth_time);
        let young = self.max_age.is_none_or(|max| age <= Duration::from_secs(max));
        self.prompt != Prompt::SignIn && young
    }
}

/// What can be told to the client when it is wrong.
struct Rest {
    nonce: Option<String>,
    challenge: Option<String>,
    scopes: Scopes,
    prompt: Prompt,
    max_age: Option<u64>,
    login_hint: Option<String>,
}

impl Rest {
    fn read(parameters: &[(String, String)], pkce: Pkce) -> Result<Self, AuthorizationError> {
        use AuthorizationError as E;
        let one = |name| only(parameters, name);
        for (name, error) in [
            ("request", E::RequestNotSupported),
            ("request_uri", E::RequestUriNotSupported),
            ("registration", E::RegistrationNotSupported),
        ] {
            if one(name)?.is_some() {
                return Err(error);
            }
        }
        match one("response_type")? {
            Some("code") => {}
            Some(_) => return Err(E::UnsupportedResponseType),
            None => return Err(E::InvalidRequest),
        }
        if one("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(E::InvalidRequest);
        }
        let scope = one("scope")?.unwrap_or_default();
        if !scope.split(' ').any(|scope| scope == "openid") {
            return Err(E::InvalidScope);
        }
        let max_age = match one("max_age")? {
            Some(text) => Some(text.parse().map_err(|_| E::InvalidRequest)?),
            None => None,
        };
        Ok(Self {
            nonce: echoed(one("nonce")?)?,
            challenge: challenge(one("code_challenge")?, one("code_challenge_method")?, pkce)?,
            scopes: Scopes::of(scope),
            prompt: prompt(one("prompt")?.unwrap_or_default())?,
            max_age,
            // Too long for a name of anybody's: not worth refusing a sign-in for.
            login_hint: one("login_hint")?.filter(|hint| hint.len() <= 254).map(str::to_owned),
        })
    }
}

fn challenge(
    challenge: Option<&str>,
    method: Option<&str>,
    pkce: Pkce,
) -> Result<Option<String>, AuthorizationError> {
    match (challenge, method) {
        (None, None) if pkce == Pkce::Optional => Ok(None),
        (Some(challenge), Some("S256")) if is_challenge(challenge) => {
            Ok(Some(challenge.to_owned()))
        }
        // Without a method it would be `plain`, which is none.
        _ => Err(AuthorizationError::InvalidRequest),
    }
}

fn prompt(text: &str) -> Result<Prompt, AuthorizationError> {
    let mut prompt = Prompt::AsNeeded;
    let words: Vec<_> = text.split(' ').filter(|word| !word.is_empty()).collect();
    for word in &words {
        match *word {
            "none" if words.len() == 1 => prompt = Prompt::Nothing,
            // Whoever wants another account signs in with it.
            "login" | "select_account" => prompt = Prompt::SignIn,
            "consent" => {}
            _ => return Err(AuthorizationError::InvalidRequest),
        }
    }
    Ok(prompt)
}

/// The one value of a parameter; an empty one counts as none (RFC 6749 §3.1).
pub(super) fn only<'a>(
    parameters: &'a [(String, String)],
    name: &str,
) -> Result<Option<&'a str>, AuthorizationError> {
    let mut values = parameters.iter().filter(|(found, _)| found == name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(AuthorizationError::InvalidRequest),
        (Some((_, value)), None) if !value.is_empty() => Ok(Some(value)),
        _ => Ok(None),
    }
}

/// What comes back byte for byte: visible ASCII and spaces (RFC 6749, appendix A.5), and not endless.
fn echoed(value: Option<&str>) -> Result<Option<String>, AuthorizationError> {
    let legal = |text: &str| {
        text.len() <= ECHOED_MAX && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
    };
    match value {
        Some(text) if !legal(text) => Err(AuthorizationError::InvalidRequest),
        value => Ok(value.map(str::to_owned)),
    }
}

impl SentBack {
    /// Where the browser goes, with `iss` so that the client knows who answered (RFC 9207).
    pub fn location(&self, issuer: &str) -> String {
        let more = [("error", self.error.name())];
        back_to(&self.redirect_uri, &more, self.state.as_deref(), issuer)
    }
}

/// A redirect URI with an answer in its query.
pub(super) fn back_to(
    redirect_uri: &str,
    answer: &[(&str, &str)],
    state: Option<&str>,
    issuer: &str,
) -> String {
    let state = state.map(|state| ("state", state));
    let mut location = redirect_uri.to_owned();
    for (name, value) in answer.iter().copied().chain(state).chain([("iss", issuer)]) {
        append(&mut location, name, value);
    }
    location
}

/// Adds a parameter to the query of `location`.
pub(super) fn append(location: &mut String, name: &str, value: &str) {
    location.push(if location.contains('?') { '&' } else { '?' });
    location.push_str(name);
    location.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            location.push(char::from(byte));
        } else {
            let _infallible = write!(location, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    /// A good request, with `changes` made: another value, or none.
    fn read(changes: &[(&str, Option<&str>)]) -> Result<AuthorizationRequest, Refused> {
        read_for(Pkce::Required, changes, &[])
    }

    fn read_for(
        pkce: Pkce,
        changes: &[(&str, Option<&str>)],
        more: &[(&str, &str)],
    ) -> Result<AuthorizationRequest, Refused> {
        let good = [
            ("client_id", "cloud"),
            ("redirect_uri", "https://cloud.example/code"),
            ("response_type", "code"),
            ("scope", "openid email profile"),
            ("state", "S t/a+te=&%"),
            ("nonce", "N"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
        let kept = good.into_iter().filter(|(name, _)| !changed(name));
        let set = changes.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let parameters = kept.chain(set).chain(more.iter().copied());
        let parameters: Vec<_> =
            parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let client = Client { pkce, ..Client::example() };
        AuthorizationRequest::read(&parameters, &[Arc::new(client)], NOW)
    }

    fn error(changes: &[(&str, Option<&str>)]) -> &'static str {
        match read(changes) {
            Ok(_) => "",
            Err(Refused::SentBack(back)) => back.error.name(),
            Err(Refused::Shown(Unanswerable::Client)) => "page: client",
            Err(Refused::Shown(Unanswerable::RedirectUri)) => "page: redirect_uri",
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_meant() {
        let request = read(&[("login_hint", Some("ada")), ("max_age", Some("60"))]).expect("good");
        assert_eq!(request.state.as_deref(), Some("S t/a+te=&%"));
        assert_eq!(request.nonce.as_deref(), Some("N"));
        assert_eq!(request.challenge.as_deref(), Some(CHALLENGE));
        assert_eq!(request.scopes, Scopes { profile: true, email: true });
        assert_eq!(request.scopes.text(), "openid profile email");
        assert_eq!((request.max_age, request.login_hint.as_deref()), (Some(60), Some("ada")));
    }

    #[test]
    fn what_is_wrong_is_told_to_whom_it_may_be_told() {
        let long = "a".repeat(513);
        let bad_uri = "page: redirect_uri";
        for (name, value, expected) in [
            ("client_id", None, "page: client"),
            ("client_id", Some("other"), "page: client"),
            ("client_id", Some("Cloud"), "page: client"),
            ("redirect_uri", None, bad_uri),
            ("redirect_uri", Some("https://cloud.example/code/"), bad_uri),
            ("redirect_uri", Some("https://cloud.example/code?x=1"), bad_uri),
            ("redirect_uri", Some("https://cloud.example/code#x"), bad_uri),
            ("redirect_uri", Some("https://cloud.example/../code"), bad_uri),
            ("redirect_uri", Some("https://cloud.example:443/code"), bad_uri),
            ("redirect_uri", Some("HTTPS://cloud.example/code"), bad_uri),
            ("redirect_uri", Some("http://cloud.example/code"), bad_uri),
            ("redirect_uri", Some("https://cloud.example@evil.example/code"), bad_uri),
            ("redirect_uri", Some("https://evil.example/code"), bad_uri),
            ("redirect_uri", Some("//cloud.example/code"), bad_uri),
            ("redirect_uri", Some("javascript:alert(1)"), bad_uri),
            ("response_type", None, "invalid_request"),
            ("response_type", Some("token"), "unsupported_response_type"),
            ("response_type", Some("code id_token"), "unsupported_response_type"),
            ("response_mode", Some("query"), ""),
            ("response_mode", Some("fragment"), "invalid_request"),
            ("response_mode", Some("form_post"), "invalid_request"),
            ("scope", None, "invalid_scope"),
            ("scope", Some("email"), "invalid_scope"),
            ("scope", Some("OpenID"), "invalid_scope"),
            ("scope", Some("openid offline_access x"), ""),
            ("state", None, ""),
            ("state", Some("\u{e4}"), "invalid_request"),
            ("state", Some("a\nb"), "invalid_request"),
            ("state", Some(long.as_str()), "invalid_request"),
            ("nonce", None, ""),
            ("nonce", Some(long.as_str()), "invalid_request"),
            ("code_challenge", None, "invalid_request"),
            ("code_challenge", Some("short"), "invalid_request"),
            ("code_challenge_method", None, "invalid_request"),
            ("code_challenge_method", Some("plain"), "invalid_request"),
            ("code_challenge_method", Some("s256"), "invalid_request"),
            ("request", Some("a.b.c"), "request_not_supported"),
            ("request_uri", Some("https://x.example"), "request_uri_not_supported"),
            ("registration", Some("{}"), "registration_not_supported"),
            ("claims", Some("{\"id_token\":{\"email\":null}}"), ""),
            ("claims", Some("nonsense"), ""),
            ("prompt", Some("none"), ""),
            ("prompt", Some("login consent"), ""),
            ("prompt", Some("select_account"), ""),
            ("prompt", Some("none login"), "invalid_request"),
            ("prompt", Some("create"), "invalid_request"),
            ("max_age", Some("0"), ""),
            ("max_age", Some("-1"), "invalid_request"),
            ("max_age", Some("soon"), "invalid_request"),
            ("login_hint", Some(long.as_str()), ""),
        ] {
            assert_eq!(error(&[(name, value)]), expected, "{name} = {value:?}");
        }
    }

    #[test]
    fn what_is_there_twice_is_there_once_too_often() {
        for (name, expected) in [
            ("client_id", Refused::Shown(Unanswerable::Client)),
            ("redirect_uri", Refused::Shown(Unanswerable::RedirectUri)),
        ] {
            let twice = read_for(Pkce::Required, &[], &[(name, "x")]);
            assert_eq!(twice, Err(expected), "{name}");
        }
        for name in ["state", "nonce", "scope", "response_type", "code_challenge"] {
            let twice = read_for(Pkce::Required, &[], &[(name, "x")]);
            let Err(Refused::SentBack(back)) = twice else { panic!("{name}: {twice:?}") };
            assert_eq!(back.error, AuthorizationError::InvalidRequest, "{name}");
        }
    }

    #[test]
    fn a_client_may_be_let_off_pkce_but_not_half_of_it() {
        let without = [("code_challenge", None), ("code_challenge_method", None)];
        assert!(read_for(Pkce::Optional, &without, &[]).is_ok());
        assert!(read_for(Pkce::Required, &without, &[]).is_err());
        for half in ["code_challenge", "code_challenge_method"] {
            assert!(read_for(Pkce::Optional, &[(half, None)], &[]).is_err(), "{half}");
        }
    }

    #[test]
    fn whoever_signed_in_lately_enough_need_not_again() {
        let ago = |seconds: u64| NOW - Duration::from_secs(seconds);
        let later = NOW + Duration::from_secs(5);
        for (prompt, max_age, auth_time, satisfied) in [
            (None, None, ago(86_400), true),
            (None, Some("60"), ago(59), true),
            (None, Some("60"), ago(61), false),
            (None, Some("0"), ago(1), false),
            (None, Some("0"), later, true),
            (Some("login"), None, ago(1), false),
            (Some("login"), None, later, true),
            (Some("consent"), None, ago(9), true),
        ] {
            let request = read(&[("prompt", prompt), ("max_age", max_age)]).expect("good");
            let now = if auth_time > NOW { auth_time + Duration::from_mins(2) } else { NOW };
            assert_eq!(
                request.is_satisfied_by(auth_time, now),
                satisfied,
                "{prompt:?} {max_age:?} {auth_time}"
            );
        }
    }

    #[test]
    fn an_error_goes_back_with_the_state_and_with_who_we_are() {
        let Err(Refused::SentBack(back)) = read(&[("scope", None)]) else { panic!("refused") };
        assert_eq!(
            back.location("https://door.example"),
            "https://cloud.example/code?error=invalid_scope&state=S%20t%2Fa%2Bte%3D%26%25&iss=https%3A%2F%2Fdoor.example"
        );
        let more = back_to("https://cloud.example/?a=b", &[("code", "x")], None, "i");
        assert_eq!(more, "https://cloud.example/?a=b&code=x&iss=i");
    }
}
