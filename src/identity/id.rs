//! Names of records. Printable, comparable, distinct, and not secret.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Uuid);

        impl $name {
            /// The identifier with this value, as read back from a store.
            pub const fn from_uuid(value: Uuid) -> Self {
                Self(value)
            }

            /// The value, for a store.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// Names a user for ever; the `sub` of our tokens.
    UserId
}
id! {
    /// Names a session in the store, in tokens (`sid`) and in the audit log.
    SessionId
}
id! {
    /// Names all refresh tokens descended from one sign-in.
    FamilyId
}
id! {
    /// Names a letter in the store and in its `Message-ID`.
    LetterId
}

/// Whoever a credential speaks for: the `sub` claim (RFC 7519 §4.1.2).
///
/// Unique only together with its issuer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Subject(Arc<str>);

impl Subject {
    /// The subject named `text`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text of the `sub` claim.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, shared.
    pub fn to_arc(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<UserId> for Subject {
    fn from(id: UserId) -> Self {
        Self(id.to_string().into())
    }
}
