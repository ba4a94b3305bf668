//! `stormdoor doctor`: one command that proves that the set-up with an app is right, or says what mends it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Place;
use super::exit::Refused;
use super::print;
use super::print_occ::hosts;
use crate::assembly::{self, RecordRooms};
use crate::clock::SystemClock;
use crate::config::{self, Config, NextcloudBridge, NextcloudSettings};
use crate::identity::token::Algorithm;
use crate::nextcloud::doctor::{Finding, KnownKey, Setup, Verdict, Vouch, examine};

#[derive(Debug, Subcommand)]
pub(super) enum Doctor {
    Nextcloud(OfNextcloud),
}

impl Doctor {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Nextcloud(nextcloud) => nextcloud.execute(place),
        }
    }
}

/// Look at the whole set-up with Nextcloud, and say what mends it. The exit code is 65 when something fails
#[derive(Args, Debug)]
#[command(
    after_help = "Run it on the gateway's machine, with its data folder: Nextcloud must see the same address.\n\n\
                  Examples:\n  stormdoor doctor nextcloud\n  stormdoor doctor nextcloud --upload 1GiB\n  \
                  stormdoor doctor nextcloud --json | jq '.[] | select(.verdict == \"fail\")'"
)]
pub(super) struct OfNextcloud {
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
    /// How much to upload in pieces, to the service account's files; it is deleted again. 0: nothing
    #[arg(long, default_value = "16MiB", value_name = "SIZE", value_parser = size)]
    upload: u64,
    /// Where the gateway is, when its names do not lead there from here
    #[arg(long, value_name = "ADDRESS:PORT")]
    gateway: Option<SocketAddr>,
    /// How `occ` is called
    #[arg(long, default_value = "php occ", value_name = "COMMAND")]
    occ: String,
}

/// More would be a test of patience.
const UPLOAD_MAX: u64 = 64 << 30;

fn size(text: &str) -> Result<u64, String> {
    let size = config::parse_size(text).filter(|size| *size <= UPLOAD_MAX);
    size.ok_or_else(|| "expected a size like 16MiB or 1GiB, at most 64GiB".to_owned())
}

impl OfNextcloud {
    fn execute(self, place: &Place) -> anyhow::Result<()> {
        let config = place.load()?;
        let nextcloud = config.nextcloud.as_ref();
        let nextcloud = nextcloud.ok_or_else(|| {
            Refused("the configuration has no section `nextcloud`, which names the app".to_owned())
        })?;
        let setup = self.setup(&config, nextcloud, &place.data)?;
        let findings = super::block_on(async {
            // Without a store there is much to look at, too.
            if place.expect_store(&config).is_err() {
                return Ok(examine(&setup, None).await);
            }
            let rooms = assembly::open_records(&config, &place.data).await?;
            let keys = keys(&rooms).await?;
            let vouch: Vouch = rooms.vouch_for(&config, &setup.user, &setup.client_id);
            Ok(examine(&Setup { keys: Some(keys), ..setup }, Some(&vouch)).await)
        })?;
        if self.json {
            print::json(&findings.iter().map(as_json).collect())?;
        } else {
            print::line(&in_lines(&findings))?;
        }
        let count = |verdict| findings.iter().filter(|found| found.verdict == verdict).count();
        let (failed, warned) = (count(Verdict::Fail), count(Verdict::Warn));
        let (all, skipped) = (findings.len(), count(Verdict::Skip));
        if failed == 0 {
            eprintln!("{all} checks: nothing failed, {warned} warnings, {skipped} skipped");
            return Ok(());
        }
        let told = format!("{all} checks: {failed} failed, {warned} warnings, {skipped} skipped");
        Err(Refused(told).into())
    }

    fn setup(
        &self,
        config: &Config,
        nextcloud: &NextcloudSettings,
        data: &Path,
    ) -> anyhow::Result<Setup> {
        let app = config.apps.iter().find(|app| app.name == nextcloud.app);
        let app = app.with_context(|| format!("there is no app {:?}", nextcloud.app))?;
        let self_made = data.join("tls/self-made.pem");
        let has_own = config.tls.certificates.iter().any(|files| files.cert_file.exists());
        Ok(Setup {
            service: nextcloud.service.clone(),
            user: nextcloud
                .service
                .as_ref()
                .map(|service| service.user.clone())
                .unwrap_or_default(),
            app: Arc::clone(&nextcloud.app),
            hosts: hosts(app, config.public_url.port),
            public_url: config.public_url.origin.clone(),
            issuer: Arc::clone(&config.tokens.issuer),
            client_id: Arc::clone(&nextcloud.oidc.client_id),
            uses_bearer: matches!(nextcloud.bridge, NextcloudBridge::Oidc),
            uses_sign_in: nextcloud.oidc.client.is_some(),
            provisions: nextcloud.provisioning.is_some(),
            keys: None,
            gateway: self.gateway,
            self_made: Some(self_made).filter(|path| !has_own && path.exists()),
            upload: self.upload,
            occ: self.occ.clone(),
            clock: Arc::new(SystemClock),
        })
    }
}

/// The keys that others can know: not a shared secret.
async fn keys(rooms: &RecordRooms) -> anyhow::Result<Vec<KnownKey>> {
    let all = rooms.signing_keys.all().await?;
    let public = all.into_iter().filter(|key| key.algorithm != Algorithm::Hs256);
    Ok(public.map(|key| KnownKey { kid: key.kid, made: key.created_at }).collect())
}

fn as_json(finding: &Finding) -> Value {
    let Finding { check, verdict, found, mend } = finding;
    json!({ "check": check, "verdict": verdict.name(), "found": found, "mend": mend })
}

/// A line for each, and below what is not good the way to mend it.
fn in_lines(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let lines = findings.iter().flat_map(|Finding { check, verdict, found, mend }| {
        let line = format!("{:<4}  {check:<width$}  {}", verdict.name(), printable(found));
        let mend = mend.as_deref().map(|mend| format!("      mend: {}", printable(mend)));
        std::iter::once(line).chain(mend)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Without what a lying server may have put there to move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_with_the_way_to_mend_it_below() {
        let finding = |verdict, found: &str, mend: Option<&str>| {
            let (found, mend) = (found.to_owned(), mend.map(str::to_owned));
            Finding { check: "clock", verdict, found, mend }
        };
        let findings = [
            finding(Verdict::Ok, "as here", None),
            finding(Verdict::Fail, "an hour\u{1b}[2J ahead", Some("occ x")),
        ];
        let expected = "ok    clock  as here\nfail  clock  an hour [2J ahead\n      mend: occ x";
        assert_eq!(in_lines(&findings), expected);
    }

    #[test]
    fn a_size_is_read_as_in_the_configuration() {
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("0"), Ok(0));
        assert!(size("65GiB").is_err() && size("many").is_err());
    }
}
