//! Compares everybody with Nextcloud, and changes nothing.

use std::collections::BTreeSet;

use super::apply::Nextcloud;
use super::backend;
use super::client::Trouble;
use super::ocs;
use crate::identity::provisioning::{Entry, Existing, Journal, Stage, State, Step, Wanted, plan};
use crate::identity::{CloudId, StoreError, UserId, Users};

/// Somebody who is not in Nextcloud as they are wanted there.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Who, when it is one of ours.
    pub user: Option<UserId>,
    /// What they are called there, when that is known.
    pub cloud: Option<String>,
    /// In which way.
    pub kind: Kind,
    /// What would be done about it.
    pub steps: Vec<Step>,
}

/// In which way somebody differs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Nextcloud has an account of that name which is not ours to change, or ours cannot be called so.
    Conflict,
    /// The account is not as it is wanted.
    Different,
    /// Nextcloud has an account that nobody here has.
    Extra,
    /// The account is not there.
    Missing,
}

impl Kind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Different => "different",
            Self::Extra => "extra",
            Self::Missing => "missing",
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nextcloud does not answer as it should.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Entries and accounts that are listed at a time.
const PAGE: u32 = 200;

/// Compares everybody. `progress` is told how many of how many are done.
///
/// # Errors
///
/// [`SurveyError`], at the first trouble.
pub async fn survey(
    nextcloud: &Nextcloud,
    users: &dyn Users,
    journal: &dyn Journal,
    mut progress: impl FnMut(u64, u64),
) -> Result<Vec<Difference>, SurveyError> {
    let entries = all_entries(journal).await?;
    let claimed: BTreeSet<String> =
        entries.iter().filter_map(|entry| Some(entry.cloud.as_ref()?.to_string())).collect();
    let mut known = claimed.clone();
    let (mut differences, mut done) = (Vec::new(), 0);
    let total = entries.len() as u64;
    for entry in &entries {
        if let Some(difference) = compare(nextcloud, users, entry, &claimed, &mut known).await? {
            differences.push(difference);
        }
        done += 1;
        progress(done, total);
    }
    for account in all_accounts(nextcloud).await? {
        let name = account.to_ascii_lowercase();
        // Administrators of Nextcloud's own and service accounts are nobody's here on purpose.
        if !known.contains(&name) && nextcloud.settings.rules.ids.of(&name, &name).is_ok() {
            differences.push(Difference {
                user: None,
                cloud: Some(account),
                kind: Kind::Extra,
                steps: Vec::new(),
            });
        }
    }
    Ok(differences)
}

async fn compare(
    nextcloud: &Nextcloud,
    users: &dyn Users,
    entry: &Entry,
    claimed: &BTreeSet<String>,
    known: &mut BTreeSet<String>,
) -> Result<Option<Difference>, SurveyError> {
    let rules = &nextcloud.settings.rules;
    let user = users.find(entry.user).await?;
    let wanted = rules.want(user.as_ref());
    let difference = |id: Option<&CloudId>, kind, steps| {
        let cloud = id.map(ToString::to_string);
        Some(Difference { user: Some(entry.user), cloud, kind, steps })
    };
    let is_wanted = matches!(wanted, Wanted::Here { .. });
    if entry.stage == Stage::Absent && !is_wanted {
        return Ok(None);
    }
    let id = match (&entry.cloud, &user) {
        (Some(id), _) => id.clone(),
        (None, Some(user)) => match rules.id_of(user) {
            Ok(id) if claimed.contains(id.as_str()) => {
                return Ok(difference(Some(&id), Kind::Conflict, Vec::new()));
            }
            Ok(id) => id,
            Err(_) => return Ok(difference(None, Kind::Conflict, Vec::new())),
        },
        (None, None) => return Ok(None),
    };
    known.insert(id.to_string());
    let found = nextcloud.find(&id).await?;
    let foreign = found.as_ref().filter(|_| entry.stage == Stage::Absent);
    if foreign.is_some_and(|found| rules.existing == Existing::Refuse || found.is_admin()) {
        return Ok(difference(Some(&id), Kind::Conflict, Vec::new()));
    }
    let steps = plan(&wanted, found.as_ref(), &rules.managed());
    if steps.is_empty() {
        return Ok(None);
    }
    let kind = if found.is_none() { Kind::Missing } else { Kind::Different };
    Ok(difference(Some(&id), kind, steps))
}

async fn all_entries(journal: &dyn Journal) -> Result<Vec<Entry>, StoreError> {
    let mut entries: Vec<Entry> = Vec::new();
    for state in State::ALL {
        let mut skip = 0;
        loop {
            let (page, _) = journal.list(state, skip, PAGE).await?;
            let count = u32::try_from(page.len()).unwrap_or(PAGE);
            entries.extend(page);
            skip += PAGE;
            if count < PAGE {
                break;
            }
        }
    }
    // One that changed its state meanwhile may have been listed twice.
    entries.sort_by_key(|entry| entry.user);
    entries.dedup_by_key(|entry| entry.user);
    Ok(entries)
}

async fn all_accounts(nextcloud: &Nextcloud) -> Result<BTreeSet<String>, Trouble> {
    let mut accounts = BTreeSet::new();
    let mut offset = 0;
    loop {
        let answer = nextcloud.client.call(&backend::list(PAGE, offset)).await?;
        if !answer.is_ok() {
            return Err(Trouble::Unwell(answer.http));
        }
        let names = ocs::names(&answer.data, "users");
        // The limit counts for each kind of account, so a page may be longer, and only an empty one is the last.
        if names.is_empty() {
            return Ok(accounts);
        }
        accounts.extend(names);
        offset += PAGE;
    }
}
