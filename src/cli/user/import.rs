//! `stormdoor user import`: many users from a CSV file, with the password hashes of another program.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord, Trim};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::exit::Refused;
use crate::cli::{Place, roles};
use crate::identity::import::{ImportError, ImportedUser, Trial};
use crate::identity::{Identity, StoreError};
use crate::secret::Secret;

/// Add many users with the password hashes of another program
#[derive(Args, Debug)]
#[command(after_help = "The first line names the columns, in any order:\n\n  \
    email,username,full_name,password_hash,roles\n  \
    ada@example.org,ada,Ada Lovelace,$2y$10$...,premium;editor\n  \
    ben@example.org,,,\"$argon2id$v=19$m=65536,t=3,p=4$...\",\n\n\
    Only email and password_hash are needed. bcrypt and Argon2 hashes are taken, if a sign-in can be checked against \
    them at a bounded cost; an Argon2 hash has commas, so it stands in quotes. The first sign-in replaces it. Lines that \
    are refused are told at the end, and the others are imported: then the exit code is 65. Mended lines can be \
    imported again.\n\n\
    Examples:\n  stormdoor user import people.csv --dry-run\n  stormdoor user import people.csv --role user")]
pub(in crate::cli) struct ImportUsers {
    /// The file, in UTF-8
    file: PathBuf,

    /// Only say what would become of it
    #[arg(long)]
    dry_run: bool,

    /// The role of those without any in the file; may be given several times. Default: `accounts.default_roles`
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
}

impl ImportUsers {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        let file = File::open(&self.file)
            .map_err(|error| Refused(format!("{}: {error}", self.file.display())))?;
        let size = file.metadata()?.len();
        let reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(file);
        let import = async |identity: &Identity| self.import(identity, reader, size).await;
        if self.dry_run { place.with_accounts(import) } else { place.with_new_accounts(import) }
    }

    async fn import(
        &self,
        identity: &Identity,
        mut reader: Reader<File>,
        size: u64,
    ) -> anyhow::Result<()> {
        let columns = Columns::of(reader.headers().map_err(|error| unreadable(&error))?)?;
        let roles = roles::chosen(identity, &self.roles)?;
        let trial = if self.dry_run { Trial::DryRun } else { Trial::Real };
        let mut import = identity.import(trial);
        let mut report = Report::default();
        let bar = bar(size)?;
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).context("the file cannot be read on")? {
            let (line, byte) =
                record.position().map_or((0, 0), |place| (place.line(), place.byte()));
            bar.set_position(byte);
            let outcome = match columns.user(&record, &roles) {
                Err(reason) => Err(reason),
                Ok(user) => match import.take(user).await {
                    Err(ImportError::Store(outage)) => {
                        bar.finish_and_clear();
                        report.tell(trial);
                        return Err(stopped(outage, line));
                    }
                    taken => taken.map_err(|error| error.to_string()),
                },
            };
            report.note(line, outcome);
        }
        bar.finish_and_clear();
        report.tell(trial);
        report.into_result()
    }
}

fn stopped(outage: StoreError, line: u64) -> anyhow::Error {
    anyhow::Error::from(outage).context(format!("stopped before line {line}"))
}

fn unreadable(error: &csv::Error) -> Refused {
    Refused(format!("the first line cannot be read: {error}"))
}

/// Drawn on a terminal only.
fn bar(size: u64) -> anyhow::Result<ProgressBar> {
    let style = "{bar:40} {percent}%  {elapsed} of about {duration}";
    Ok(ProgressBar::new(size).with_style(ProgressStyle::with_template(style)?))
}

/// Where in a line what stands.
#[derive(Debug)]
struct Columns {
    count: usize,
    email: usize,
    username: Option<usize>,
    full_name: Option<usize>,
    password_hash: usize,
    roles: Option<usize>,
}

impl Columns {
    const NAMES: [&str; 5] = ["email", "username", "full_name", "password_hash", "roles"];

    fn of(header: &StringRecord) -> Result<Self, Refused> {
        let known = Self::NAMES.join(",");
        if let Some(unknown) = header.iter().find(|name| !Self::NAMES.contains(name)) {
            // Spreadsheets of some countries write semicolons.
            let hint =
                if unknown.contains([';', '\t']) { ", with commas between them" } else { "" };
            return Err(Refused(format!(
                "the first line names a column {unknown:?}; expected some of {known}{hint}"
            )));
        }
        let places = |wanted| header.iter().enumerate().filter(move |(_, name)| *name == wanted);
        let mut places = Self::NAMES.map(|name| places(name).map(|(at, _)| at).collect::<Vec<_>>());
        let [email, username, full_name, password_hash, roles] = places.each_mut().map(Vec::pop);
        if places.iter().any(|others| !others.is_empty()) {
            return Err(Refused("the first line names a column twice".to_owned()));
        }
        let missing =
            |name| Refused(format!("the first line names no column {name:?}; expected {known}"));
        Ok(Self {
            count: header.len(),
            email: email.ok_or_else(|| missing("email"))?,
            username,
            full_name,
            password_hash: password_hash.ok_or_else(|| missing("password_hash"))?,
            roles,
        })
    }

    /// The user of one line, or what is wrong with the line as such. Nothing of the line is repeated: a shifted column
    /// could show the hash.
    fn user(&self, line: &ByteRecord, roles: &[Arc<str>]) -> Result<ImportedUser, String> {
        if line.len() != self.count {
            let quotes = "an Argon2 hash has commas, and must stand in quotes";
            return Err(format!("{} fields instead of {}; {quotes}", line.len(), self.count));
        }
        let text = |at: usize| {
            let field = line.get(at).unwrap_or_default();
            std::str::from_utf8(field).map_err(|_| "not in UTF-8".to_owned())
        };
        let optional = |at: Option<usize>| -> Result<Option<String>, String> {
            let written = at.map(text).transpose()?;
            Ok(written.filter(|text| !text.is_empty()).map(str::to_owned))
        };
        let listed = optional(self.roles)?.unwrap_or_default();
        let listed = listed.split(';').map(str::trim).filter(|role| !role.is_empty());
        let mut own: Vec<Arc<str>> = listed.map(Arc::from).collect();
        if own.is_empty() {
            own = roles.to_vec();
        }
        Ok(ImportedUser {
            email: text(self.email)?.to_owned(),
            username: optional(self.username)?,
            full_name: optional(self.full_name)?,
            password_hash: Secret::new(text(self.password_hash)?.to_owned()),
            roles: own,
        })
    }
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Report {
    imported: u64,
    refused: Vec<(u64, String)>,
}

impl Report {
    fn note(&mut self, line: u64, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.imported += 1,
            Err(reason) => self.refused.push((line, reason)),
        }
    }

    fn tell(&self, trial: Trial) {
        for (line, reason) in &self.refused {
            eprintln!("line {line}: {reason}");
        }
        let verb = if trial == Trial::DryRun { "would be" } else { "were" };
        eprintln!("{} users {verb} imported, {} refused", self.imported, self.refused.len());
    }

    fn into_result(self) -> anyhow::Result<()> {
        if self.refused.is_empty() {
            return Ok(());
        }
        Err(Refused("not every line can be imported".to_owned()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &[&str]) -> Result<Columns, String> {
        Columns::of(&StringRecord::from(header.to_vec())).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_stand_in_any_order() {
        let columns = columns(&["roles", "password_hash", "email"]).expect("all that is needed");
        let line = ByteRecord::from(vec!["a; b;", "$2b$..", "ada@example.org"]);
        let user = columns.user(&line, &["user".into()]).expect("a line");
        assert_eq!((user.email.as_str(), user.username), ("ada@example.org", None));
        assert_eq!(user.roles, [Arc::from("a"), Arc::from("b")]);
        let line = ByteRecord::from(vec!["", "$2b$..", "ada@example.org"]);
        let user = columns.user(&line, &["user".into()]).expect("a line");
        assert_eq!(user.roles, [Arc::from("user")]);
    }

    #[test]
    fn a_file_that_is_another_one_is_told_so_by_its_first_line() {
        for (header, complaint) in [
            (vec!["email"], "\"password_hash\""),
            (vec!["email", "password_hash", "email"], "twice"),
            (vec!["email;password_hash"], "commas"),
            (vec!["email", "password_hash", "phone"], "\"phone\""),
        ] {
            let said = columns(&header).expect_err("a complaint");
            assert!(said.contains(complaint), "{said}");
        }
    }

    #[test]
    fn a_broken_line_is_told_without_what_stands_in_it() {
        let columns = columns(&["email", "password_hash"]).expect("all that is needed");
        let split = ByteRecord::from(vec!["a@b.c", "$argon2id$v=19$m=1", "t=1", "p=1$x$canary"]);
        let said = columns.user(&split, &[]).expect_err("four fields");
        assert!(said.contains("quotes") && !said.contains("canary"), "{said}");
        let latin = ByteRecord::from(vec![b"a\xe9@b.c".to_vec(), b"canary".to_vec()]);
        assert_eq!(columns.user(&latin, &[]).expect_err("Latin-1"), "not in UTF-8");
    }
}
