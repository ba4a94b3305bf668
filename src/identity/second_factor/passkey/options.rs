//! What browsers are asked for, in the JSON that `PublicKeyCredential.parseCreationOptionsFromJSON` and
//! `parseRequestOptionsFromJSON` read (WebAuthn §5.4 and §5.5).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Algorithm, Challenge, Passkey, RelyingParty, UserVerification};

/// How long somebody may take; a challenge need not live longer. What WebAuthn §15.1 recommends at least.
pub const TIMEOUT: Duration = Duration::from_mins(5);

/// Who gets a passkey.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// What the passkey keeps of the user, up to 64 bytes: an identifier, nothing personal (WebAuthn §14.6.1).
    pub handle: &'a [u8],
    /// What tells this account from others of the same person: the sign-in name or the address.
    pub name: &'a str,
    /// As the person is called.
    pub display_name: &'a str,
    /// What the user has already, so that no authenticator makes a second one.
    pub passkeys: &'a [Passkey],
}

/// `PublicKeyCredentialCreationOptionsJSON`: make a passkey for `owner`.
///
/// It is to be discoverable, if the authenticator has room: then it also works without a name.
pub fn creation_options(
    rp: &RelyingParty,
    owner: &Owner<'_>,
    challenge: &Challenge,
    user_verification: UserVerification,
) -> Value {
    let kinds = Algorithm::ALL.map(|own| json!({ "type": "public-key", "alg": own.cose() }));
    json!({
        "rp": { "id": rp.id, "name": rp.name },
        "user": {
            "id": URL_SAFE_NO_PAD.encode(owner.handle),
            "name": owner.name,
            "displayName": owner.display_name,
        },
        "challenge": challenge.to_string(),
        "pubKeyCredParams": kinds,
        "timeout": millis(TIMEOUT),
        "excludeCredentials": descriptors(owner.passkeys),
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": false,
            "userVerification": word(user_verification),
        },
        "attestation": "none",
    })
}

/// `PublicKeyCredentialRequestOptionsJSON`: prove to have one of the `allowed` passkeys; any discoverable one of ours,
/// when there are none.
pub fn request_options(
    rp: &RelyingParty,
    allowed: &[Passkey],
    challenge: &Challenge,
    user_verification: UserVerification,
) -> Value {
    json!({
        "challenge": challenge.to_string(),
        "timeout": millis(TIMEOUT),
        "rpId": rp.id,
        "allowCredentials": descriptors(allowed),
        "userVerification": word(user_verification),
    })
}

/// `PublicKeyCredentialDescriptorJSON`s (WebAuthn §5.8.3).
fn descriptors(passkeys: &[Passkey]) -> Vec<Value> {
    let descriptor = |passkey: &Passkey| {
        let id = passkey.id.to_string();
        json!({ "type": "public-key", "id": id, "transports": passkey.transports })
    };
    passkeys.iter().map(descriptor).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn word(user_verification: UserVerification) -> &'static str {
    match user_verification {
        UserVerification::Preferred => "preferred",
        UserVerification::Required => "required",
    }
}
