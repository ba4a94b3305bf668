//! `stormdoor user export`: everything that is kept about somebody, for them to have (GDPR article 15).

use crate::cli::who::Who;
use crate::cli::{Place, print};
use crate::portal::as_json;

pub(super) fn execute(place: &Place, who: &Who) -> anyhow::Result<()> {
    place.with_accounts(async |identity| {
        let user = who.find(identity).await?;
        let export = identity.export_anybody(user.id).await?;
        print::json(&as_json::export(export, identity))
    })
}
