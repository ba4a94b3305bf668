//! `stormdoor user sign-out` and `reset-second-factor`: what somebody is in with.

use crate::cli::who::Who;
use crate::cli::{Place, print};
use crate::identity::admin::By;

pub(super) fn sign_out(place: &Place, who: &Who) -> anyhow::Result<()> {
    place.with_accounts(async |identity| {
        let user = who.find(identity).await?;
        let ended = identity.sign_out_everywhere(user.id, &By::Operator).await?;
        print::line(&format!("{} is signed out; sessions ended: {ended}", user.username))
    })
}

pub(super) fn reset_second_factor(place: &Place, who: &Who) -> anyhow::Result<()> {
    place.with_accounts(async |identity| {
        let user = who.find(identity).await?;
        let name = &user.username;
        let said = if identity.reset_second_factor(user.id, &By::Operator).await? {
            format!("{name} has no second factor any more, and is signed out everywhere")
        } else {
            format!("{name} had no second factor; every session ended all the same")
        };
        print::line(&said)
    })
}
