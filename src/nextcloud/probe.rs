//! What this Nextcloud is, and what the service account may do there: asked before the first change.

use http::Method;
use serde_json::Value;

use super::backend::{Backend, PRE_PROVISIONING, call};
use super::client::{Client, Trouble};
use super::ocs;
use crate::config::ProvisioningBackend;

/// What was learned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    /// As it says: `34.0.1`.
    pub version: String,
    /// The generation: 34.
    pub major: u16,
    /// Whether the service account administers it.
    pub admin: bool,
    /// Whether its credential may change users: from 34 on an app password may not.
    pub may_write: bool,
    /// Whether the app `user_oidc` takes users before they sign in.
    pub user_oidc: bool,
}

/// Why nothing can be provisioned as configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// The service account may only read.
    #[error(
        "the service account may read but not write: Nextcloud 34 wants its real password, not an app password"
    )]
    AppPassword,
    /// The app is not there.
    #[error("Nextcloud's app user_oidc is not there or does not take users before they sign in")]
    NoUserOidc,
    /// The service account is nobody special.
    #[error("the service account is no administrator of Nextcloud")]
    NotAdmin,
}

impl Probe {
    /// Asks. No call changes anything.
    pub(super) async fn ask(client: &Client) -> Result<Self, Trouble> {
        let status = client.status().await?;
        if is_set(&status, "maintenance") || is_set(&status, "needsDbUpgrade") {
            return Err(Trouble::Unwell(503));
        }
        let text = |key| status.get(key).and_then(Value::as_str).unwrap_or_default();
        let version = text("versionstring").to_owned();
        let major = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
        let own = client.call(&call("self", Method::GET, "cloud/user".into(), vec![])).await?;
        let admin = ocs::names(&own.data, "groups").iter().any(|group| group == "admin");
        // A group without a name is refused by whoever would make one. Without the right to, that is said first.
        let nameless = vec![("groupid", String::new())];
        let write = call("may_write", Method::POST, "cloud/groups".into(), nameless);
        let write = client.call(&write).await?;
        // It takes POST only, so who is there says so.
        let oidc = call("user_oidc", Method::GET, PRE_PROVISIONING.into(), vec![]);
        let oidc = client.call(&oidc).await?;
        Ok(Self {
            version,
            major,
            admin: own.is_ok() && admin,
            may_write: write.decisive() != 403,
            user_oidc: oidc.http == 405 || oidc.is_ok(),
        })
    }

    /// How to work, as `wanted` says.
    pub(super) fn choose(&self, wanted: ProvisioningBackend) -> Result<Backend, Unfit> {
        let ocs = Backend::Ocs { patch: self.major >= 34 };
        if !self.admin {
            return Err(Unfit::NotAdmin);
        }
        match wanted {
            ProvisioningBackend::Auto { .. } | ProvisioningBackend::Ocs if self.may_write => {
                Ok(ocs)
            }
            ProvisioningBackend::Auto { provider: Some(provider) }
            | ProvisioningBackend::UserOidc { provider }
                if self.user_oidc =>
            {
                Ok(Backend::UserOidc { provider })
            }
            ProvisioningBackend::UserOidc { .. } => Err(Unfit::NoUserOidc),
            ProvisioningBackend::Auto { .. } | ProvisioningBackend::Ocs => Err(Unfit::AppPassword),
        }
    }
}

fn is_set(status: &Value, key: &str) -> bool {
    status.get(key).and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_to_work_follows_from_what_is_there() {
        use ProvisioningBackend::{Auto, Ocs, UserOidc};
        let (patch, put) = (Ok(Backend::Ocs { patch: true }), Ok(Backend::Ocs { patch: false }));
        let oidc = Ok(Backend::UserOidc { provider: 7 });
        let (auto, auto7) = (Auto { provider: None }, Auto { provider: Some(7) });
        for (major, admin, may_write, user_oidc, wanted, chosen) in [
            (34, true, true, true, auto7, patch),
            (29, true, true, false, auto, put),
            (34, true, false, true, auto7, oidc),
            (34, true, false, true, auto, Err(Unfit::AppPassword)),
            (34, true, false, false, auto7, Err(Unfit::AppPassword)),
            (34, true, false, true, Ocs, Err(Unfit::AppPassword)),
            (34, true, true, true, UserOidc { provider: 7 }, oidc),
            (34, true, true, false, UserOidc { provider: 7 }, Err(Unfit::NoUserOidc)),
            (34, false, true, true, auto, Err(Unfit::NotAdmin)),
        ] {
            let version = String::new();
            let probe = Probe { version, major, admin, may_write, user_oidc };
            assert_eq!(probe.choose(wanted), chosen, "{probe:?} {wanted:?}");
        }
    }
}
