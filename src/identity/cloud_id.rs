//! What somebody is called in Nextcloud: a rule that gives one answer for ever, because Nextcloud cannot rename.
//!
//! Nextcloud's local accounts take `a-z A-Z 0-9 space _ . @ - '`, 1 to 64 bytes, no blank at an edge, and compare without
//! regard to case. A token of ours for a name that is a local account there *is* that account, so the names of its
//! administrators and of its own folders are nobody's here.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A user id of Nextcloud: legal there, and nobody's whom we must not be.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CloudId(Arc<str>);

impl CloudId {
    /// The longest one, in bytes.
    pub const MAX: usize = 64;

    /// The id that a store kept: it was legal when it was written.
    pub fn from_store(text: &str) -> Self {
        Self(text.into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `written`, as Nextcloud answers it, means this account: without regard to case.
    pub fn is(&self, written: &str) -> bool {
        self.0.eq_ignore_ascii_case(written)
    }
}

impl fmt::Display for CloudId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// From what an id is made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CloudIdRule {
    /// The sign-in name, which never changes.
    #[default]
    Username,
    /// The e-mail address.
    Email,
}

/// Ids that belong to Nextcloud itself: its first administrator and folders in its data.
const RESERVED: [&str; 4] = ["admin", ".htaccess", "files_external", "__groupfolders"];

/// Begins the name of another folder of Nextcloud's own.
const RESERVED_PREFIX: &str = "appdata_";

/// The rule of an installation.
#[derive(Clone, Debug)]
pub struct CloudIds {
    rule: CloudIdRule,
    reserved: BTreeSet<String>,
}

/// By sign-in name, with nobody called as what is Nextcloud's own.
impl Default for CloudIds {
    fn default() -> Self {
        Self::new::<&str>(CloudIdRule::Username, &[])
    }
}

impl CloudIds {
    /// By `rule`, with nobody called as one of `reserved` or as what is Nextcloud's own.
    pub fn new<S: AsRef<str>>(rule: CloudIdRule, reserved: &[S]) -> Self {
        let reserved = reserved.iter().map(AsRef::as_ref).chain(RESERVED);
        Self { rule, reserved: reserved.map(str::to_ascii_lowercase).collect() }
    }

    /// The id of whoever signs in as `username` and has the address `email`.
    ///
    /// # Errors
    ///
    /// Why there is none; such a person is never in Nextcloud.
    pub fn of(&self, username: &str, email: &str) -> Result<CloudId, NoCloudId> {
        let text = match self.rule {
            CloudIdRule::Username => username,
            CloudIdRule::Email => email,
        };
        let id = text.to_ascii_lowercase();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b" _.@-'".contains(&byte);
        if id.is_empty() || id.len() > CloudId::MAX {
            Err(NoCloudId::Length)
        } else if !id.bytes().all(legal) || id.trim() != id || id == "." || id == ".." {
            Err(NoCloudId::Characters)
        } else if self.reserved.contains(&id) || id.starts_with(RESERVED_PREFIX) {
            Err(NoCloudId::Reserved)
        } else {
            Ok(CloudId(id.into()))
        }
    }
}

/// Why somebody has no account in Nextcloud.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoCloudId {
    /// Something that Nextcloud does not take.
    #[error("Nextcloud takes only a-z, 0-9, space, _, ., @, - and ' in a user id")]
    Characters,
    /// Nothing, or too much.
    #[error("Nextcloud takes 1 to {} bytes as a user id", CloudId::MAX)]
    Length,
    /// It is an account or a folder of Nextcloud's own.
    #[error("this user id is Nextcloud's own or reserved in nextcloud.reserved")]
    Reserved,
    /// The account of this name there is not theirs, or not yet.
    #[error("the account of this name there is not theirs, or is still being made")]
    NotTheirs,
    /// It is an address that was not proven to be theirs.
    #[error("people are called by their address there, and this one is not verified")]
    Unproven,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_legal_in_nextcloud_and_nobody_elses() {
        let names = CloudIds::new(CloudIdRule::Username, &["Cloud-Service"]);
        let addresses = CloudIds::new(CloudIdRule::Email, &[] as &[&str]);
        let long = "a".repeat(65);
        for (ids, username, email, expected) in [
            (&names, "ada", "x@example.org", Ok("ada")),
            (&names, "0-o_.", "x@example.org", Ok("0-o_.")),
            (&names, "admin", "x@example.org", Err(NoCloudId::Reserved)),
            (&names, "cloud-service", "x@example.org", Err(NoCloudId::Reserved)),
            (&names, "appdata_oc1", "x@example.org", Err(NoCloudId::Reserved)),
            (&names, "..", "x@example.org", Err(NoCloudId::Characters)),
            (&names, "a/b", "x@example.org", Err(NoCloudId::Characters)),
            (&names, long.as_str(), "x@example.org", Err(NoCloudId::Length)),
            (&names, "", "x@example.org", Err(NoCloudId::Length)),
            (&addresses, "ada", "Ada@example.org", Ok("ada@example.org")),
            (&addresses, "ada", "ada+tag@example.org", Err(NoCloudId::Characters)),
        ] {
            let id = ids.of(username, email);
            assert_eq!(
                id.as_ref().map(CloudId::as_str),
                expected.as_ref().map(|id| *id),
                "{username:?}"
            );
        }
    }

    #[test]
    fn nextcloud_may_write_an_id_with_capitals() {
        let ids = CloudIds::new(CloudIdRule::Username, &[] as &[&str]);
        let ada = ids.of("ada", "ada@example.org").expect("legal");
        assert!(ada.is("Ada") && !ada.is("ada2"));
    }
}
