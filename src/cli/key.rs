//! `stormdoor key`: the keys that tokens are signed with.

use clap::Subcommand;

use super::Place;
use crate::assembly;
use crate::clock::{Clock, SystemClock};
use crate::identity::token::SigningKey;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List them
    List,
    /// Make a new key; running gateways sign with it within two seconds, and old tokens stay valid until they expire
    Rotate,
}

impl Key {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        let config = place.load()?;
        super::block_on(async {
            let rooms = assembly::open_records(&config, &place.data).await?;
            match self {
                Self::List => {
                    for key in rooms.signing_keys.all().await? {
                        let state = match key.retired_at {
                            Some(at) => format!("retired {at}"),
                            None => "signing".to_owned(),
                        };
                        println!(
                            "{}  {}  made {}  {state}",
                            key.kid, key.algorithm, key.created_at
                        );
                    }
                }
                Self::Rotate => {
                    anyhow::ensure!(
                        config.tokens.secret.is_none(),
                        "tokens.algorithm is HS256: its secret is in the configuration; change it there"
                    );
                    let now = SystemClock.now();
                    let key = SigningKey::generate(config.tokens.algorithm, now)?;
                    rooms.signing_keys.rotate(&key).await?;
                    println!("{}", key.kid);
                }
            }
            Ok(())
        })
    }
}
