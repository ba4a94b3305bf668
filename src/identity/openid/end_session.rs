//! A client sends somebody here to sign out (OpenID Connect RP-Initiated Logout 1.0).
//!
//! Anybody can make a browser go here, so a session ends without a question only when the client shows an ID token of that
//! very session.

use super::id_token::TYPE;
use super::request::{append, only};
use super::{Client, Provider};
use crate::identity::SessionId;

/// What a client asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EndRequest {
    /// Where to send the browser afterwards: an address of the client's, with its state.
    pub back: Option<String>,
    /// Which session its ID token is of.
    pub hinted: Option<SessionId>,
    /// The parameters that say where back is, to be asked again after a question.
    pub kept: Vec<(&'static str, String)>,
}

impl Provider {
    /// Reads the parameters of a request to sign out. What is wrong in it is left out: nobody is kept from signing out.
    pub fn end_request(&self, parameters: &[(String, String)]) -> EndRequest {
        let one = |name| only(parameters, name).ok().flatten();
        let hint = one("id_token_hint").and_then(|hint| self.read_hint(hint));
        let hinted = hint.as_ref().map(|(_, session)| *session);
        let client = match (one("client_id"), hint.as_ref().map(|(client, _)| *client)) {
            (Some(id), Some(client)) if *client.id != *id => return EndRequest::default(),
            (_, Some(client)) => Some(client),
            (Some(id), None) => self.client(id).map(|client| &**client),
            (None, None) => None,
        };
        let uri = one("post_logout_redirect_uri");
        let (Some(client), Some(uri)) = (client, uri) else {
            return EndRequest { hinted, ..EndRequest::default() };
        };
        if !client.post_logout_redirect_uris.iter().any(|known| **known == *uri) {
            return EndRequest { hinted, ..EndRequest::default() };
        }
        let mut back = uri.to_owned();
        let mut kept = vec![
            ("client_id", client.id.to_string()),
            ("post_logout_redirect_uri", uri.to_owned()),
        ];
        if let Some(state) = one("state").filter(|state| state.len() <= STATE_MAX) {
            append(&mut back, "state", state);
            kept.push(("state", state.to_owned()));
        }
        EndRequest { back: Some(back), hinted, kept }
    }

    /// The client and the session of an ID token of ours, expired or not.
    fn read_hint(&self, hint: &str) -> Option<(&Client, SessionId)> {
        let claims = self.keys.read_own(TYPE, hint)?;
        let text = |name: &str| claims.get(name).and_then(|claim| claim.as_str());
        if text("iss") != Some(&*self.issuer) {
            return None;
        }
        let client = self.client(text("aud")?)?;
        Some((client, text("sid")?.parse().ok()?))
    }
}

/// Longest state that comes back, in bytes.
const STATE_MAX: usize = 512;
