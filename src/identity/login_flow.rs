//! Nextcloud's login flow v2, ended with a device password of ours.
//!
//! ```text
//!  program                         gateway                         browser
//!  POST /login/v2 ───────────────► poll token, address
//!    opens the address ──────────────────────────────────────────► GET /login/v2/flow/<token>
//!                                                                    signs in, sees who asks, agrees
//!                                  device password, sealed ◄──────── POST /login/v2/grant
//!  POST /login/v2/poll ──────────► once: server, name, password
//! ```
//!
//! What has begun is kept nowhere: the token of the page is the flow itself, sealed, with the digest of the poll token in
//! it. So a stranger who begins flows fills no memory, and whoever sees the page's address cannot poll. Only an agreement
//! writes: that the flow is used, and its sealed result for the one poll that fetches it.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::device::{Device, NAME_MAX, NewDevice, NewDeviceError, Scope};
use super::event::Client;
use super::{CloudId, Identity, Purpose, SecretDigest, SecretText, StoreError, UserId};
use crate::clock::Timestamp;

/// How long somebody may take to agree, and the program to ask.
pub const LOGIN_FLOW: Duration = Duration::from_mins(20);

/// What results are sealed for.
const RESULT: &str = "login-flow-result";

/// A program that wants to be let in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoginFlow {
    /// What it calls itself, fit to be shown; at most [`NAME_MAX`] characters.
    pub device: String,
    /// From where it asked.
    pub from: IpAddr,
    host: String,
    poll: String,
    until: i64,
}

/// A login flow that has begun.
#[derive(Debug)]
pub struct LoginFlowBegun {
    /// For the address of the page.
    pub token: String,
    /// For the program alone.
    pub poll: SecretText,
}

/// What the program gets in the end.
#[derive(Debug, Deserialize, Serialize)]
pub struct LetIn {
    /// `https://host[:port]`.
    pub server: String,
    /// What its user is called in Nextcloud.
    #[serde(rename = "loginName")]
    pub login_name: String,
    /// The device password.
    #[serde(rename = "appPassword")]
    pub app_password: String,
}

/// Why a program was not let in.
#[derive(Debug, thiserror::Error)]
pub enum LoginFlowError {
    /// The flow is over, used, or was made for another host.
    #[error("this request to sign in is over; begin again in the app")]
    Over,
    /// There is no new device.
    #[error(transparent)]
    Device(#[from] NewDeviceError),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Begins to let in the program that calls itself `user_agent`, at `host`.
    pub fn begin_login_flow(
        &self,
        user_agent: Option<&str>,
        from: IpAddr,
        host: &str,
    ) -> LoginFlowBegun {
        let poll = SecretText::generate();
        let flow = LoginFlow {
            device: device_name(user_agent.unwrap_or_default()),
            from,
            host: host.to_owned(),
            poll: URL_SAFE_NO_PAD.encode(poll.digest(Purpose::LoginPoll).as_bytes()),
            until: (self.clock.now() + LOGIN_FLOW).as_millis(),
        };
        let text = serde_json::to_vec(&flow).unwrap_or_default();
        let token = URL_SAFE_NO_PAD.encode(self.sealer.seal("login-flow", &text));
        LoginFlowBegun { token, poll }
    }

    /// Who asks with `token` to be let in at `host`.
    ///
    /// # Errors
    ///
    /// [`LoginFlowError`].
    pub async fn login_flow(&self, token: &str, host: &str) -> Result<LoginFlow, LoginFlowError> {
        let (flow, now) = (self.read_login_flow(token, host)?, self.clock.now());
        match self.records.handshakes.look(&used(token), now).await? {
            None => Ok(flow),
            Some(_) => Err(LoginFlowError::Over),
        }
    }

    fn read_login_flow(&self, token: &str, host: &str) -> Result<LoginFlow, LoginFlowError> {
        let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| LoginFlowError::Over)?;
        let text = self.sealer.open("login-flow", &sealed).map_err(|_| LoginFlowError::Over)?;
        let flow: LoginFlow =
            serde_json::from_slice(text.expose()).map_err(|_| LoginFlowError::Over)?;
        let good = flow.host == host && self.clock.now() < Timestamp::from_millis(flow.until);
        if good { Ok(flow) } else { Err(LoginFlowError::Over) }
    }

    /// Lets the program of `token` in as `user`, who is `name` in Nextcloud: with a device password of its own, which its
    /// next poll fetches. Once.
    ///
    /// # Errors
    ///
    /// [`LoginFlowError`]; then there is no new device.
    pub async fn grant_login_flow(
        &self,
        token: &str,
        host: &str,
        server: String,
        user: UserId,
        name: &CloudId,
        client: Option<&Client>,
    ) -> Result<Device, LoginFlowError> {
        let (flow, now) = (self.read_login_flow(token, host)?, self.clock.now());
        let until = Timestamp::from_millis(flow.until);
        let poll = poll_key(&flow).ok_or(LoginFlowError::Over)?;
        if !self.records.handshakes.claim(used(token), until, now).await? {
            return Err(LoginFlowError::Over);
        }
        let new = NewDevice { name: flow.device, scope: Scope::Dav, expires_at: None };
        let (device, secret) = self.add_device(user, new, client).await?;
        let let_in = LetIn {
            server,
            login_name: name.as_str().to_owned(),
            app_password: secret.expose().to_owned(),
        };
        let text = serde_json::to_vec(&let_in).unwrap_or_default();
        let sealed = URL_SAFE_NO_PAD.encode(self.sealer.seal(RESULT, &text));
        // The program has as long as its user had.
        let fetch_until = now + LOGIN_FLOW;
        if let Err(error) = self.records.handshakes.put(poll, sealed, fetch_until, now).await {
            // Nobody will ever know this password.
            self.remove_device(user, device.id, client).await?;
            return Err(error.into());
        }
        Ok(device)
    }

    /// What the program with the poll token `poll` gets; nothing while its user has not agreed, and once only.
    ///
    /// # Errors
    ///
    /// When the place for handshakes could not be reached.
    pub async fn poll_login_flow(&self, poll: &str) -> Result<Option<LetIn>, StoreError> {
        let key = SecretDigest::of(poll, Purpose::LoginPoll);
        let sealed = self.records.handshakes.take(&key, self.clock.now()).await?;
        let sealed = sealed.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let text = sealed.and_then(|sealed| self.sealer.open(RESULT, &sealed).ok());
        Ok(text.and_then(|text| serde_json::from_slice(text.expose()).ok()))
    }
}

fn used(token: &str) -> SecretDigest {
    SecretDigest::of(token, Purpose::LoginFlow)
}

fn poll_key(flow: &LoginFlow) -> Option<SecretDigest> {
    let bytes = URL_SAFE_NO_PAD.decode(&flow.poll).ok()?;
    Some(SecretDigest::from_bytes(bytes.try_into().ok()?))
}

/// What a program calls itself, as the name of a device. Nothing in it is believed: it is only shown.
fn device_name(user_agent: &str) -> String {
    let shown = user_agent.chars().map(|character| {
        if character.is_control() || is_bidirectional(character) { ' ' } else { character }
    });
    let name: String = shown.collect::<String>().trim().chars().take(NAME_MAX).collect();
    let name = name.trim_end();
    if name.is_empty() { "a program without a name".to_owned() } else { name.to_owned() }
}

/// Marks that make a text read in another order than it is written (Unicode TR 9).
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fit_to_be_shown() {
        let long = "x".repeat(500);
        for (user_agent, name) in [
            ("Mozilla/5.0 (Linux) mirall/3.7.3", "Mozilla/5.0 (Linux) mirall/3.7.3"),
            ("", "a program without a name"),
            (" \t ", "a program without a name"),
            ("a\u{202e}b\nc", "a b c"),
        ] {
            assert_eq!(device_name(user_agent), name);
        }
        assert_eq!(device_name(&long).len(), NAME_MAX);
        assert_eq!(device_name(&"ä".repeat(100)).chars().count(), NAME_MAX);
    }
}
