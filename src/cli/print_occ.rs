//! `stormdoor nextcloud print-occ`: the `occ` commands for this configuration, to be read, and piped to a shell.
//!
//! Options are those of `user_oidc` 8 and of Nextcloud's own `config:…:set`. No secret is printed: a file is named, and read by
//! the shell that runs the command.

use std::fmt::Write;
use std::net::IpAddr;

use clap::Args;

use super::Place;
use super::exit::Refused;
use crate::config::{Config, NextcloudClient, NextcloudSettings, Servers};
use crate::route::{App, HostPattern};

/// The first number in Nextcloud's lists that is ours. Lower ones are what the installation and its administrator wrote.
const FREE: usize = 50;

/// Print the `occ` commands that set Nextcloud up for this configuration
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stormdoor nextcloud print-occ\n  stormdoor nextcloud print-occ --occ 'sudo -u www-data php /srv/nextcloud/occ' --gateway 192.0.2.10"
)]
pub(super) struct PrintOcc {
    /// How `occ` is called
    #[arg(long, default_value = "php occ", value_name = "COMMAND")]
    occ: String,
    /// An address or network that the gateway's requests come from, as Nextcloud sees it; may be given several times.
    /// Default: this machine, when the app's server is on it
    #[arg(long = "gateway", value_name = "ADDRESS")]
    gateways: Vec<String>,
}

impl PrintOcc {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        let config = place.load()?;
        let nextcloud = config.nextcloud.as_ref();
        let nextcloud = nextcloud.ok_or_else(|| {
            Refused("the configuration has no section `nextcloud`, which names the app".to_owned())
        })?;
        let app = config.apps.iter().find(|app| app.name == nextcloud.app);
        let app = app.ok_or_else(|| Refused(format!("there is no app {:?}", nextcloud.app)))?;
        print!("{}", self.script(place, &config, nextcloud, app));
        Ok(())
    }

    fn script(
        &self,
        place: &Place,
        config: &Config,
        nextcloud: &NextcloudSettings,
        app: &App,
    ) -> String {
        let url = &config.public_url.origin;
        let mut script = Script { occ: self.occ.clone(), text: String::new() };
        script.say(&format!(
            "Nextcloud behind the app {} of this gateway; people sign in at {url}.",
            app.name
        ));
        script.say("Run this in Nextcloud's folder as the user of its web server. Running it again is fine.");

        script.gap("The sign-in: each line of user_oidc's provider replaces what was set before.");
        script.occ(&["app:install", "user_oidc"]);
        script.occ(&["app:enable", "user_oidc"]);
        script.provider(config, nextcloud);

        script.gap("The gateway in front of it.");
        let gateways = self.gateways(config, nextcloud);
        if gateways.is_empty() {
            script.say(
                "Say --gateway ADDRESS for trusted_proxies: its address as Nextcloud sees it.",
            );
        }
        script.say("Numbers from 50 on: what stands in these lists already stays.");
        for (at, gateway) in (FREE..).zip(&gateways) {
            script.set(&format!("trusted_proxies {at}"), gateway);
        }
        let hosts = hosts(app, config.public_url.port);
        script.set("overwriteprotocol", "https");
        if let Some(host) = hosts.first() {
            // With several hosts, links go to the one that was asked.
            if hosts.len() == 1 {
                script.set("overwritehost", host);
            }
            script.set("overwrite.cli.url", &format!("https://{host}"));
        }
        for (at, host) in (FREE..).zip(&hosts) {
            script.set(&format!("trusted_domains {at}"), host);
        }

        if is_private(&config.public_url.host) {
            script
                .gap("The gateway has a private address, which Nextcloud asks only when told to.");
            script.occ(&[
                "config:system:set",
                "allow_local_remote_servers",
                "--type=boolean",
                "--value=true",
            ]);
            script.say("If its certificate is one that it made itself, Nextcloud must know that. Only the gateway may read");
            script.say(&format!(
                "it where it is: copy {} to where the web server's user can.",
                place.data.join("tls/self-made.pem").display()
            ));
            script.choice(&["security:certificates:import", "/tmp/self-made.pem"]);
        }

        script.gap("Choices. One way in: Nextcloud's own form is then at /login?direct=1 only.");
        script.choice(&[
            "config:app:set",
            "--type=string",
            "--value=0",
            "user_oidc",
            "allow_multiple_user_backends",
        ]);
        script.say("Or: both ways in, with Nextcloud's own form out of sight.");
        script.choice(&["config:system:set", "hide_login_form", "--type=boolean", "--value=true"]);
        script.text
    }

    /// Where the gateway's requests come from.
    fn gateways(&self, config: &Config, nextcloud: &NextcloudSettings) -> Vec<String> {
        if !self.gateways.is_empty() {
            return self.gateways.clone();
        }
        let upstream = config.upstreams.get(&nextcloud.app);
        let here = upstream.is_some_and(|upstream| match &upstream.servers {
            Servers::Whoami => true,
            Servers::Endpoints(servers) => {
                servers.iter().all(|server| is_this_machine(&server.host))
            }
        });
        if here { vec!["127.0.0.1".to_owned(), "::1".to_owned()] } else { Vec::new() }
    }
}

/// The hosts of an app as a browser writes them.
pub(super) fn hosts(app: &App, port: Option<u16>) -> Vec<String> {
    let exact = app.hosts.iter().filter_map(|host| match host {
        HostPattern::Exact(host) => Some(host),
        HostPattern::OneLabelBefore(_) => None,
    });
    let with_port = |host: &String| match port {
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    exact.map(with_port).collect()
}

fn is_this_machine(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Whether `host` is surely nowhere on the Internet. A name is not looked up.
fn is_private(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    match address {
        Ok(IpAddr::V4(address)) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => {
            let private = ["localhost", "local", "internal", "lan", "home.arpa", "test"];
            private.iter().any(|name| {
                host == *name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
            })
        }
    }
}

/// A shell script that is written line by line.
struct Script {
    occ: String,
    text: String,
}

impl Script {
    fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.text, "{line}");
    }

    fn say(&mut self, comment: &str) {
        self.line(&format!("# {comment}"));
    }

    fn gap(&mut self, comment: &str) {
        self.line("");
        self.say(comment);
    }

    fn occ(&mut self, words: &[&str]) {
        let command = self.command(words);
        self.line(&command);
    }

    /// A command that the operator may take.
    fn choice(&mut self, words: &[&str]) {
        let command = self.command(words);
        self.line(&format!("# {command}"));
    }

    fn command(&self, words: &[&str]) -> String {
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        format!("{} {}", self.occ, words.join(" "))
    }

    /// `name`: a setting, and behind a space its index.
    fn set(&mut self, name: &str, value: &str) {
        let value = format!("--value={value}");
        let words: Vec<_> = std::iter::once("config:system:set")
            .chain(name.split(' '))
            .chain(std::iter::once(value.as_str()))
            .collect();
        self.occ(&words);
    }

    fn provider(&mut self, config: &Config, nextcloud: &NextcloudSettings) {
        let discovery = format!("{}/.well-known/openid-configuration", config.public_url.origin);
        let (about, secret) = match &nextcloud.oidc.client {
            Some(NextcloudClient { secret_file: Some(file), .. }) => (
                "The secret is read from the gateway's file. On another machine, copy it there first.",
                format!("\"$(cat {})\"", quoted(&file.display().to_string())),
            ),
            Some(NextcloudClient { secret_file: None, .. }) => (
                "Set NEXTCLOUD_OIDC_SECRET to nextcloud.oidc.client_secret before: secrets are not printed.",
                "\"${NEXTCLOUD_OIDC_SECRET:?is not set}\"".to_owned(),
            ),
            None => (
                "nextcloud.oidc has no client_secret: no web sign-in. user_oidc wants a secret; this one is nobody's.",
                "\"$(openssl rand -hex 32)\"".to_owned(),
            ),
        };
        self.say(about);
        let pairs = [
            ("clientid", &*nextcloud.oidc.client_id),
            ("discoveryuri", &discovery),
            ("scope", "openid email profile"),
            ("unique-uid", "0"),
            ("check-bearer", "1"),
            ("bearer-provisioning", "1"),
            ("send-id-token-hint", "1"),
            ("group-provisioning", "0"),
            ("mapping-uid", "sub"),
            ("mapping-display-name", "name"),
            ("mapping-email", "email"),
        ];
        let mut command = self.command(&["user_oidc:provider", "stormdoor"]);
        let _infallible = write!(command, " \\\n  --clientsecret={secret}");
        for (name, value) in pairs {
            let _infallible = write!(command, " \\\n  --{name}={}", quoted(value));
        }
        self.line(&command);
    }
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_the_shell() {
        for (text, word) in [
            ("config:app:set", "config:app:set"),
            ("--value=https://a.example:8443", "--value=https://a.example:8443"),
            ("openid email", "'openid email'"),
            ("a'b", r"'a'\''b'"),
            ("$(rm -rf /)", "'$(rm -rf /)'"),
            ("", "''"),
            ("a\nb", "'a\nb'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }

    #[test]
    fn what_is_private_is_known_by_its_name() {
        for (host, private) in [
            ("localhost", true),
            ("auth.localhost", true),
            ("auth.home.arpa", true),
            ("10.0.0.1", true),
            ("[::1]", true),
            ("192.0.2.1", false),
            ("auth.example.org", false),
            ("mylocal", false),
        ] {
            assert_eq!(is_private(host), private, "{host}");
        }
    }
}
