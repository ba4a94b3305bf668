//! `stormdoor check`: every problem in the configuration, and with `--online` whether what it names answers.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Place;
use super::exit::PROBLEMS;
use crate::assembly;
use crate::config;
use crate::config::LoadError;

/// Reads the configuration exactly as `run` does. Exit code 0: fine; 78: problems.
#[derive(Args, Debug)]
pub(super) struct Check {
    /// Also open the store, read the certificates, and try every upstream and issuer once
    #[arg(long)]
    online: bool,

    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    Json,
    Text,
}

impl Check {
    pub(super) fn execute(&self, place: &Place) -> ExitCode {
        let loaded = config::load_or_embedded(&place.config, &config::system_environment);
        let config = match loaded {
            Ok(config) => config,
            Err(error) => {
                match (&error, self.format) {
                    (LoadError::Problems(problems), Format::Json) => {
                        println!("{}", problems.to_json());
                    }
                    _ => eprintln!("{error}"),
                }
                return ExitCode::from(PROBLEMS);
            }
        };
        let findings = if self.online { online(&config, place) } else { Ok(Vec::new()) };
        let findings = match findings {
            Ok(findings) => findings,
            Err(error) => {
                eprintln!("stormdoor: {error:#}");
                return ExitCode::FAILURE;
            }
        };
        let failed = findings.iter().any(|finding| finding.error.is_some());
        match self.format {
            Format::Json => println!("{}", report_json(&config, &findings)),
            Format::Text => print_text(place, &config, &findings),
        }
        if failed { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS }
    }
}

/// What trying one thing gave.
pub(super) struct Finding {
    what: String,
    error: Option<String>,
}

fn online(config: &config::Config, place: &Place) -> anyhow::Result<Vec<Finding>> {
    super::block_on(async {
        let tried = assembly::probe(config, &place.data).await;
        Ok(tried.into_iter().map(|(what, error)| Finding { what, error }).collect())
    })
}

fn print_text(place: &Place, config: &config::Config, findings: &[Finding]) {
    for warning in &config.warnings {
        println!("warning  {warning}");
    }
    for finding in findings {
        match &finding.error {
            None => println!("ok       {}", finding.what),
            Some(error) => println!("fail     {}: {error}", finding.what),
        }
    }
    let name = if place.config.exists() {
        place.config.display().to_string()
    } else {
        "the built-in demonstration".into()
    };
    let (apps, routes) = (counted(config.apps.len(), "app"), counted(config.routes.len(), "route"));
    println!("{name}: {apps}, {routes}, no problems");
}

/// `1 app`, `2 apps`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn report_json(config: &config::Config, findings: &[Finding]) -> serde_json::Value {
    serde_json::json!({
        "problems": [],
        "warnings": config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "online": findings
            .iter()
            .map(|finding| serde_json::json!({ "what": finding.what, "error": finding.error }))
            .collect::<Vec<_>>(),
    })
}
