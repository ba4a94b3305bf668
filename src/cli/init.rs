//! `stormdoor init`: a first configuration, from a few answers.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write as _};

use anyhow::Context;
use clap::Args;

use super::Place;
use crate::config;

/// Asks what was not said on the command line, when there is somebody to ask.
#[derive(Args, Debug)]
pub(super) struct Init {
    /// Where sign-in lives, as `https://login.example.org`
    #[arg(long)]
    public_url: Option<String>,

    /// An app, as `name=host=upstream`; may be given several times
    #[arg(long = "app")]
    apps: Vec<String>,

    /// Certificate chain in PEM. Default: self-made
    #[arg(long, requires = "key_file")]
    cert_file: Option<String>,

    /// Its key in PEM
    #[arg(long, requires = "cert_file")]
    key_file: Option<String>,

    /// Write over an existing file
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        let path = &place.config;
        anyhow::ensure!(
            self.force || !path.exists(),
            "{} exists; say --force to write over it",
            path.display()
        );
        let public_url = match &self.public_url {
            Some(url) => url.clone(),
            None => ask("Where will sign-in live?", "https://localhost:8443")?,
        };
        let mut apps = self.apps.clone();
        if apps.is_empty() {
            let app = ask(
                "Which app is behind it? (name=host=upstream)",
                "whoami=whoami.localhost=builtin:whoami",
            )?;
            apps.push(app);
        }
        let text = self.render(&public_url, &apps)?;
        let base = path.parent().unwrap_or(std::path::Path::new("."));
        config::parse(&text, &path.display().to_string(), base, &config::system_environment)
            .map_err(|problems| anyhow::anyhow!("these answers do not make a configuration:\n{problems}"))?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("Wrote {}. Start with: stormdoor run", path.display());
        Ok(())
    }

    fn render(&self, public_url: &str, apps: &[String]) -> anyhow::Result<String> {
        let mut text = String::from(
            "# yaml-language-server: $schema=./stormdoor.schema.json\n\
             # Made by `stormdoor init`. Every key is explained in docs/CONFIG.md.\n",
        );
        writeln!(text, "public_url: {}", quoted(public_url))?;
        if let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) {
            writeln!(text, "tls:\n  certificates:")?;
            writeln!(text, "    - {{ cert_file: {}, key_file: {} }}", quoted(cert), quoted(key))?;
        } else {
            let host = public_url.trim_start_matches("https://").split([':', '/']).next();
            let mut names = vec![host.unwrap_or("localhost").to_owned()];
            names.extend(apps.iter().filter_map(|app| app.split('=').nth(1)).map(str::to_owned));
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            writeln!(text, "tls:\n  self_made: [{}]", names.join(", "))?;
        }
        writeln!(text, "apps:")?;
        for app in apps {
            let mut parts = app.splitn(3, '=');
            let (Some(name), Some(host), Some(upstream)) = (parts.next(), parts.next(), parts.next())
            else {
                anyhow::bail!("{app:?} is not name=host=upstream");
            };
            writeln!(text, "  {}:", quoted(name))?;
            writeln!(text, "    host: {}", quoted(host))?;
            writeln!(text, "    upstream: {}", quoted(upstream))?;
            writeln!(text, "    routes:\n      - {{ path: /**, access: signed_in }}")?;
        }
        Ok(text)
    }
}

/// A YAML double-quoted scalar, so that no answer can become anything but text.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn ask(question: &str, default: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return Ok(default.to_owned());
    }
    print!("{question} [{default}] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
}
