//! Whom a command is about, by whatever the operator calls them.

use clap::Args;

use super::exit::Refused;
use crate::identity::{Identity, User};

/// An argument that names somebody.
#[derive(Args, Debug)]
pub(super) struct Who {
    /// An id, a sign-in name or an e-mail address
    who: String,
}

impl Who {
    pub(super) async fn find(&self, identity: &Identity) -> anyhow::Result<User> {
        find(identity, &self.who).await
    }
}

/// Somebody in any standing.
pub(super) async fn find(identity: &Identity, name: &str) -> anyhow::Result<User> {
    let found = identity.look_up(name).await?;
    found.ok_or_else(|| {
        let hint = "`stormdoor user list` shows everybody, `user list --search TEXT` some";
        Refused(format!("no user has the id, sign-in name or e-mail address {name:?}; {hint}"))
            .into()
    })
}
