//! What the exit code says, after sysexits.h.

use std::process::ExitCode;

use crate::config;
use crate::identity::StoreError;
use crate::identity::account::{AccountError, ProveError};
use crate::identity::admin::AdminError;
use crate::identity::device::NewDeviceError;
use crate::identity::import::ImportError;
use crate::identity::password::{Busy, TooLong, Weakness};
use crate::identity::registration::InvalidField;
use crate::identity::service::AddUserError;
use crate::nextcloud::Trouble;
use crate::store::StoreOpenError;

/// `EX_USAGE`: the command is not written as it must be.
pub(super) const USAGE: u8 = 64;
/// `EX_DATAERR`: what it was given cannot be taken, or does not fit what is there.
pub(super) const DATA: u8 = 65;
/// `EX_UNAVAILABLE`: the store cannot be used, or Nextcloud does not answer. Trying again may work.
pub(super) const UNAVAILABLE: u8 = 69;
/// `EX_CONFIG`: problems in the configuration.
pub(super) const PROBLEMS: u8 = 78;

/// What was asked does not fit what is there, in words for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

/// The command lacks something that clap cannot know of.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misused(pub(super) String);

/// The store is not where it was looked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoStore(pub(super) String);

/// Tells of `error`, and says how to exit.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(load) = error.downcast_ref::<config::LoadError>() {
        eprintln!("{load}");
        return ExitCode::from(PROBLEMS);
    }
    eprintln!("stormdoor: {error:#}");
    error.chain().find_map(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn code(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<Misused>() {
        return Some(USAGE);
    }
    if cause.is::<Trouble>()
        || cause.is::<NoStore>()
        || cause.is::<StoreOpenError>()
        || cause.is::<Busy>()
    {
        return Some(UNAVAILABLE);
    }
    let refused = cause.is::<Refused>()
        || cause.is::<InvalidField>()
        || cause.is::<Weakness>()
        || cause.is::<TooLong>();
    if refused {
        return Some(DATA);
    }
    // These pass the store's own words on, so the store's error is not among the causes.
    if let Some(error) = cause.downcast_ref::<StoreError>() {
        return Some(of_store(error));
    }
    let store = if let Some(error) = cause.downcast_ref::<AdminError>() {
        match error {
            AdminError::Account(AccountError::Store(error)) => Some(error),
            _ => None,
        }
    } else if let Some(error) = cause.downcast_ref::<AccountError>() {
        match error {
            AccountError::Store(error) => Some(error),
            _ => None,
        }
    } else if let Some(error) = cause.downcast_ref::<AddUserError>() {
        match error {
            AddUserError::Busy(_) => return Some(UNAVAILABLE),
            AddUserError::Store(error) => Some(error),
            _ => None,
        }
    } else if let Some(error) = cause.downcast_ref::<ProveError>() {
        match error {
            ProveError::Busy(_) => return Some(UNAVAILABLE),
            ProveError::Store(error) => Some(error),
            _ => None,
        }
    } else if let Some(error) = cause.downcast_ref::<NewDeviceError>() {
        match error {
            NewDeviceError::Store(error) => Some(error),
            _ => None,
        }
    } else if let Some(error) = cause.downcast_ref::<ImportError>() {
        match error {
            ImportError::Store(error) => Some(error),
            _ => None,
        }
    } else {
        return None;
    };
    Some(store.map_or(DATA, of_store))
}

fn of_store(error: &StoreError) -> u8 {
    match error {
        StoreError::Conflict { .. } => DATA,
        StoreError::Corrupt { .. } | StoreError::Unavailable(_) => UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_from_a_refusal_however_deep_it_lies() {
        let down = || StoreError::Unavailable("the disk is gone".into());
        let taken = StoreError::Conflict { record: "user", field: "email" };
        for (error, expected) in [
            (anyhow::Error::from(down()), Some(UNAVAILABLE)),
            (AdminError::from(down()).into(), Some(UNAVAILABLE)),
            (anyhow::Error::from(AdminError::from(down())).context("ada"), Some(UNAVAILABLE)),
            (AddUserError::from(Busy).into(), Some(UNAVAILABLE)),
            (AddUserError::from(taken).into(), Some(DATA)),
            (AdminError::from(AccountError::LastAdmin).into(), Some(DATA)),
            (Refused("no".into()).into(), Some(DATA)),
            (Misused("no".into()).into(), Some(USAGE)),
            (anyhow::anyhow!("something else"), None),
        ] {
            assert_eq!(error.chain().find_map(code), expected, "{error:#}");
        }
    }
}
