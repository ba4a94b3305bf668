//! Registration (WebAuthn §7.1): from what the browser sent to a passkey to be stored.

use serde::Deserialize;

use super::attestation::AttestationObject;
use super::authenticator_data::{AuthenticatorData, Flags};
use super::client_data::{self, Ceremony};
use super::response::{self, Base64Url};
use super::{Challenge, Passkey, PasskeyError, PublicKey, RelyingParty, UserVerification};

/// `AuthenticatorAttestationResponseJSON`. What the browser has taken out of the attestation object for convenience is
/// not read: we take it out ourselves.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: Base64Url,
    attestation_object: Base64Url,
    #[serde(default)]
    transports: Vec<String>,
}

/// Verifies a `RegistrationResponseJSON` to the [options](super::creation_options) with this `challenge`.
///
/// The steps have the numbers of WebAuthn §7.1. Steps 1 and 2 are the browser's; 26 and 29, that nobody has this
/// passkey and that it is stored, are the caller's.
///
/// # Errors
///
/// [`PasskeyError`]; then there is no passkey.
pub fn register(
    rp: &RelyingParty,
    challenge: &Challenge,
    user_verification: UserVerification,
    response: &str,
) -> Result<Passkey, PasskeyError> {
    // 3; 4: no extension is asked for.
    let (id, response): (_, Response) = response::read(response)?;

    // 5 to 12.
    let client_data_hash =
        client_data::check(&response.client_data.0, Ceremony::Registration, challenge, rp)?;

    // 13.
    let object = AttestationObject::read(&response.attestation_object.0)?;
    let data = AuthenticatorData::read(object.authenticator_data)?;
    let attested = data.attested.as_ref().ok_or(PasskeyError::Malformed("no public key"))?;

    // 14 to 17; 18, 19: backed up or not, we take both.
    super::check_authenticator(&data, rp, user_verification)?;

    // 20: there are no keys but for the algorithms that we ask for.
    let key = PublicKey::from_cose(attested.key)?;

    // 21 to 24.
    object.check(&key, &client_data_hash)?;

    // 25: an id that is too long cannot be read. The one outside is the same, as browsers take it from here (§5.1.3).
    if attested.id != id {
        return Err(PasskeyError::WrongCredential);
    }

    // 27; 28: what extensions say is passed over.
    Ok(Passkey {
        id,
        key,
        counter: data.counter,
        transports: sound(response.transports),
        aaguid: attested.aaguid,
        backup_eligible: data.flags.has(Flags::BACKUP_ELIGIBLE),
        backed_up: data.flags.has(Flags::BACKED_UP),
    })
}

/// Transports as they may be stored: words, also ones that we do not know (WebAuthn §5.2.1), but few and short.
fn sound(mut transports: Vec<String>) -> Vec<String> {
    const MOST: usize = 8;
    const LONGEST: usize = 32;
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    transports.retain(|word| (1..=LONGEST).contains(&word.len()) && word.bytes().all(legal));
    transports.sort_unstable();
    transports.dedup();
    transports.truncate(MOST);
    transports
}
