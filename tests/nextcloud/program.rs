//! The stand-in for Nextcloud as a program, to be used by hand:
//! `cargo run --example nextcloud-stand-in -- --listen 127.0.0.1:8081 --generation 34`.

#[path = "stand_in/mod.rs"]
#[expect(dead_code, reason = "by hand nobody looks inside; the tests do")]
mod nextcloud_stand_in;

use std::net::SocketAddr;

use clap::Parser;
use nextcloud_stand_in::NextcloudStandIn;
use nextcloud_stand_in::settings::{Generation, OidcProvider, Settings};

/// A stand-in for Nextcloud.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Which release to behave like: 29 or 34.
    #[arg(long, default_value_t = 34)]
    generation: u8,
    /// The administrator's password; the name is `admin`.
    #[arg(long, default_value = "correct horse battery")]
    admin_password: String,
    /// A name besides loopback that may be asked for; may be given several times.
    #[arg(long)]
    trusted_domain: Vec<String>,
    /// `user_oidc`: the provider's discovery document.
    #[arg(long, requires = "client_id")]
    discovery: Option<String>,
    /// `user_oidc`: the client id.
    #[arg(long)]
    client_id: Option<String>,
    /// `user_oidc`: the client secret.
    #[arg(long, default_value = "")]
    client_secret: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let generation = if arguments.generation < 34 { Generation::V29 } else { Generation::V34 };
    let settings = Settings {
        admin_password: arguments.admin_password,
        trusted_domains: arguments.trusted_domain,
        ..Settings::default()
    };
    let stand_in = NextcloudStandIn::start_at(arguments.listen, generation, settings).await?;
    if let (Some(discovery), Some(client_id)) = (&arguments.discovery, &arguments.client_id) {
        stand_in.connect_oidc(OidcProvider::at(discovery, client_id, &arguments.client_secret));
    }
    println!("a stand-in for Nextcloud {} at {}", generation.version(), stand_in.url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
