//! `stormdoor db export|import`: all records of a store, to move them to another kind of store.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

use super::Place;
use super::exit::Refused;
use crate::store;
use crate::store::transfer::{self, Counts, TABLES, TransferError};

/// Moves records between stores.
#[derive(Debug, Subcommand)]
pub(super) enum Db {
    /// Write all records of the store to a new file, secrets included
    ///
    /// What changes meanwhile is not in it, so stop the gateways first. Guard the file as the store itself: it holds
    /// password hashes and signing keys. It does not hold the sealing key, without which nobody's authenticator app works.
    #[command(after_help = "Example: stormdoor db export records.jsonl")]
    Export {
        /// The file, which must not be there yet; made with mode 0600
        file: PathBuf,
    },
    /// Put all records of such a file into an empty store
    ///
    /// All of them or none. The store is the one of --config and --data; a gateway must not have run on it.
    #[command(after_help = "Example: stormdoor --config postgres.yaml db import records.jsonl")]
    Import {
        /// The file
        file: PathBuf,
    },
}

impl Db {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        let config = place.load()?;
        if matches!(self, Self::Export { .. }) {
            place.expect_store(&config)?;
        }
        super::block_on(async {
            let stores = store::open(&config.store, &place.data).await?;
            let (moved, verb) = match self {
                Self::Export { file } => (export(&stores, file).await, "written"),
                Self::Import { file } => (import(&stores, file).await, "taken"),
            };
            stores.close().await;
            tell(&moved?, verb);
            Ok(())
        })
    }
}

async fn export(stores: &store::Stores, file: &Path) -> anyhow::Result<Counts> {
    let all = stores.counts().await?.iter().sum();
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let opened = opened.with_context(|| format!("cannot make {}", file.display()))?;
    let bar = bar(all)?;
    let written = transfer::write(stores, BufWriter::new(&opened), || bar.inc(1)).await;
    bar.finish_and_clear();
    let written = written.and_then(|counts| Ok(opened.sync_all().map(|()| counts)?));
    if written.is_err() {
        // It would be refused anyway; what went wrong before is what to tell.
        drop(std::fs::remove_file(file));
    }
    Ok(written?)
}

async fn import(stores: &store::Stores, file: &Path) -> anyhow::Result<Counts> {
    let name = file.display();
    let opened = File::open(file).with_context(|| format!("cannot read {name}"))?;
    let bar = bar(opened.metadata()?.len())?;
    let taken = transfer::read(stores, BufReader::new(opened), |bytes| bar.inc(bytes)).await;
    bar.finish_and_clear();
    match taken {
        Err(error @ (TransferError::Store(_) | TransferError::File(_))) => Err(error.into()),
        taken => {
            taken.map_err(|error| Refused(format!("{name}: {error}; nothing was changed")).into())
        }
    }
}

fn tell(counts: &Counts, verb: &str) {
    for (table, count) in TABLES.iter().zip(counts).filter(|(_, count)| **count > 0) {
        eprintln!("{count:>9} {}", table.name);
    }
    eprintln!("{} rows were {verb}", counts.iter().sum::<u64>());
}

/// Drawn on a terminal only.
fn bar(size: u64) -> anyhow::Result<ProgressBar> {
    let style = "{bar:40} {percent}%  {elapsed} of about {duration}";
    Ok(ProgressBar::new(size).with_style(ProgressStyle::with_template(style)?))
}
