//! A letter as JSON, for the store only: the one place where its links leave their custody.
//!
//! The types of [`super`] implement no `Serialize`, so that a letter cannot end up in a log line or an answer. The mirror
//! below is checked against them by the compiler, field by field.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Letter, LetterKind, SecondFactorChange};
use crate::clock::Timestamp;
use crate::identity::Email;
use crate::secret::Secret;

impl Letter {
    /// The way out, for the store.
    pub fn expose_for_store(&self) -> Secret<String> {
        let stored =
            Stored { to: self.to.clone(), name: self.name.clone(), kind: self.kind.clone() };
        // Writing names, texts and numbers cannot fail.
        Secret::new(serde_json::to_string(&stored).unwrap_or_default())
    }

    /// The letter that [`expose_for_store`](Self::expose_for_store) wrote.
    ///
    /// # Errors
    ///
    /// When the text is something else. The error quotes nothing of it.
    pub fn from_store(text: &str) -> Result<Self, UnreadableLetter> {
        let stored: Stored = serde_json::from_str(text)
            .map_err(|error| UnreadableLetter { column: error.column() })?;
        let Stored { to, name, kind } = stored;
        Ok(Self { to, name, kind })
    }
}

/// The text in the store is no letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a letter, from column {column} on")]
pub struct UnreadableLetter {
    column: usize,
}

#[derive(Deserialize, Serialize)]
struct Stored {
    #[serde(with = "text")]
    to: Email,
    name: Option<String>,
    #[serde(with = "StoredKind")]
    kind: LetterKind,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "LetterKind", rename_all = "snake_case")]
enum StoredKind {
    AlreadyRegistered {
        sign_in: String,
        reset: String,
    },
    Approved {
        sign_in: String,
    },
    AwaitingApproval,
    ChangeEmail {
        #[serde(with = "exposed")]
        link: Secret<String>,
        #[serde(with = "text")]
        new: Email,
        #[serde(with = "seconds")]
        valid_for: Duration,
    },
    EmailChanging {
        new_masked: String,
        #[serde(with = "exposed")]
        cancel: Secret<String>,
        #[serde(default, with = "exposed_if_any")]
        agree: Option<Secret<String>>,
    },
    Invitation {
        #[serde(with = "exposed")]
        link: Secret<String>,
        invited_by: String,
        #[serde(with = "seconds")]
        valid_for: Duration,
    },
    Locked {
        #[serde(with = "millis")]
        until: Timestamp,
        address: String,
    },
    NewSignIn {
        #[serde(with = "millis")]
        at: Timestamp,
        device: String,
        address: String,
    },
    PasswordChanged,
    ResetPassword {
        #[serde(with = "exposed")]
        link: Secret<String>,
        #[serde(with = "seconds")]
        valid_for: Duration,
    },
    SecondFactorChanged {
        #[serde(with = "StoredChange")]
        what: SecondFactorChange,
    },
    VerifyEmail {
        #[serde(with = "exposed")]
        link: Secret<String>,
        #[serde(with = "seconds")]
        valid_for: Duration,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "SecondFactorChange", rename_all = "snake_case")]
enum StoredChange {
    Added,
    RecoveryCodesRenewed,
    Removed,
    Reset,
}

/// A secret, for the store only.
mod exposed {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::Secret;

    pub(super) fn serialize<S: Serializer>(
        secret: &Secret<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret<String>, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

/// The same, where there may be none.
mod exposed_if_any {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::secret::Secret;

    #[expect(clippy::ref_option, reason = "serde hands references to fields")]
    pub(super) fn serialize<S: Serializer>(
        secret: &Option<Secret<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Secret<String>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
    }
}

/// An address as its text.
mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::identity::Email;

    pub(super) fn serialize<S: Serializer>(
        email: &Email,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(email.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Email, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Whole seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

/// Milliseconds since the epoch.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::clock::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
    pub(super) fn serialize<S: Serializer>(
        at: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Secret<String> {
        Secret::new("https://localhost/x?canary".to_owned())
    }

    fn every_kind() -> Vec<LetterKind> {
        let valid_for = Duration::from_mins(30);
        let new = "new@example.org".parse().expect("an address");
        let (at, address) = (Timestamp::from_millis(1_800_000_000_123), "192.0.2.1".to_owned());
        let mut kinds = vec![
            LetterKind::AlreadyRegistered { sign_in: "s".into(), reset: "r".into() },
            LetterKind::Approved { sign_in: "s".into() },
            LetterKind::AwaitingApproval,
            LetterKind::ChangeEmail { link: link(), new, valid_for },
            LetterKind::EmailChanging {
                new_masked: "n…@example.org".into(),
                cancel: link(),
                agree: Some(link()),
            },
            LetterKind::Invitation { link: link(), invited_by: "\"Ana\" <3".into(), valid_for },
            LetterKind::Locked { until: at, address: address.clone() },
            LetterKind::NewSignIn { at, device: "Firefox".into(), address },
            LetterKind::PasswordChanged,
            LetterKind::ResetPassword { link: link(), valid_for },
            LetterKind::VerifyEmail { link: link(), valid_for },
        ];
        kinds.extend(
            [
                SecondFactorChange::Added,
                SecondFactorChange::RecoveryCodesRenewed,
                SecondFactorChange::Removed,
                SecondFactorChange::Reset,
            ]
            .map(|what| LetterKind::SecondFactorChanged { what }),
        );
        kinds
    }

    #[test]
    fn every_kind_of_letter_is_read_back_as_it_was_written() {
        for kind in every_kind() {
            let name = kind.name();
            let to = "ana@example.org".parse().expect("an address");
            let letter = Letter { to, name: Some("Ana ünd \r\n".into()), kind };
            let text = letter.expose_for_store();
            assert!(text.expose().contains(&format!("\"{name}\"")), "{name} is its name");
            let read = Letter::from_store(text.expose()).expect(name);
            assert_eq!(read.expose_for_store().expose(), text.expose());
        }
    }

    #[test]
    fn changes_of_the_second_factor_have_one_name_everywhere() {
        for kind in every_kind() {
            if let LetterKind::SecondFactorChanged { what } = kind {
                let to = "ana@example.org".parse().expect("an address");
                let text = Letter { to, name: None, kind }.expose_for_store();
                assert!(text.expose().contains(what.name()));
            }
        }
    }

    #[test]
    fn neither_a_printed_letter_nor_an_error_shows_a_link() {
        for kind in every_kind() {
            assert!(!format!("{kind:?}").contains("canary"));
        }
        let error = Letter::from_store(r#"{"to":"a@b.c","name":null,"kind":{"canary":1}}"#);
        let error = error.expect_err("an unknown kind");
        assert!(!format!("{error} {error:?}").contains("canary"));
        Letter::from_store(r#"{"to":"nobody","name":null,"kind":"password_changed"}"#)
            .expect_err("not an address");
    }
}
