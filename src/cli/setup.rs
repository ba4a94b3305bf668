//! `stormdoor setup`: a new one-time code for the first administrator.

use super::Place;
use crate::assembly;

pub(super) fn execute(place: &Place) -> anyhow::Result<()> {
    let config = place.load()?;
    super::block_on(async {
        let rooms = assembly::open_records(&config, &place.data).await?;
        match rooms.identity.ensure_setup_code().await? {
            Some(code) => println!("{}", assembly::setup_hint(&config, &place.data, &code)),
            None => println!("An administrator was made already; the setup is closed for ever."),
        }
        Ok(())
    })
}
