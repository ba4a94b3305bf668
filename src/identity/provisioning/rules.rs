//! What is wanted for whom, by the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Profile, Quota, Wanted};
use crate::identity::{CloudId, CloudIds, NoCloudId, Standing, User};

/// From when on somebody has an account in Nextcloud.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Since {
    /// Once they may sign in here.
    #[default]
    Active,
    /// Once they signed up; disabled there until they may sign in here.
    Registered,
    /// Once their address is proven; disabled there until they may sign in here.
    Verified,
}

/// What becomes of the account of somebody who was erased.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Remove {
    /// It goes, with its files.
    Delete,
    /// It stays, and nobody may use it.
    #[default]
    Disable,
}

/// What becomes of an account that Nextcloud had before we wanted to make it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Existing {
    /// It becomes the account of our user of that name, unless it is an administrator's.
    Adopt,
    /// It is left alone, and somebody is told.
    #[default]
    Refuse,
}

/// The rules of an installation.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What people are called there.
    pub ids: CloudIds,
    /// From when on they are there.
    pub since: Since,
    /// The groups of each role.
    pub groups: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// The quota of each role.
    pub quota: BTreeMap<Arc<str>, Quota>,
    /// What becomes of whoever is erased.
    pub remove: Remove,
    /// What becomes of accounts that were there before.
    pub existing: Existing,
}

impl Rules {
    /// How `user` is to be in Nextcloud; nobody when they were erased.
    pub fn want(&self, user: Option<&User>) -> Wanted {
        let Some(user) = user else { return Wanted::Gone(self.remove) };
        let enabled = user.standing == Standing::Active;
        let is_proven = user.email_verified_at.is_some();
        let here = match user.standing {
            Standing::Active => true,
            // Whoever is removed here can be restored, and then wants the files back.
            Standing::Deleted | Standing::Disabled => false,
            Standing::AwaitingApproval | Standing::Unverified => match self.since {
                Since::Active => false,
                Since::Registered => true,
                Since::Verified => is_proven,
            },
        };
        if here { Wanted::Here { profile: self.profile(user), enabled } } else { Wanted::Off }
    }

    /// What `user` is called in Nextcloud.
    ///
    /// # Errors
    ///
    /// When Nextcloud could not take the name, or it is not to be had.
    pub fn id_of(&self, user: &User) -> Result<CloudId, NoCloudId> {
        self.ids.of(user.username.as_str(), user.email.as_str())
    }

    /// The groups that are ours to give and to take.
    pub fn managed(&self) -> BTreeSet<Arc<str>> {
        self.groups.values().flatten().cloned().collect()
    }

    fn profile(&self, user: &User) -> Profile {
        let groups = user.roles.iter().filter_map(|role| self.groups.get(role)).flatten();
        let name = user.full_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        Profile {
            display_name: name.unwrap_or(user.username.as_str()).to_owned(),
            // An unproven address may be somebody else's, and addresses sign people in at Nextcloud.
            email: user.email_verified_at.map(|_| user.email.clone()),
            groups: groups.cloned().collect(),
            quota: user.roles.iter().filter_map(|role| self.quota.get(role)).max().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::password::PasswordHash;
    use crate::identity::{UserId, random};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn user(standing: Standing, proven: bool, roles: &[&str]) -> User {
        User {
            id: UserId::from_uuid(random::uuid_v7(NOW)),
            email: "ada@example.org".parse().expect("an address"),
            username: "ada".parse().expect("a name"),
            full_name: Some(" ".into()),
            password_hash: PasswordHash::from_text(String::new()),
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            grants: Vec::new(),
            standing,
            email_verified_at: proven.then_some(NOW),
            created_at: NOW,
            updated_at: NOW,
            last_login_at: None,
            epoch: 0,
        }
    }

    #[test]
    fn who_is_to_be_in_nextcloud_and_may_sign_in_there() {
        use Since::{Active, Registered, Verified};
        for (since, standing, proven, wanted) in [
            (Active, Standing::Active, true, Some(true)),
            (Active, Standing::Active, false, Some(true)),
            (Active, Standing::AwaitingApproval, true, None),
            (Active, Standing::Unverified, false, None),
            (Verified, Standing::AwaitingApproval, true, Some(false)),
            (Verified, Standing::AwaitingApproval, false, None),
            (Verified, Standing::Unverified, false, None),
            (Registered, Standing::Unverified, false, Some(false)),
            (Registered, Standing::Disabled, true, None),
            (Registered, Standing::Deleted, true, None),
            (Registered, Standing::Active, true, Some(true)),
        ] {
            let rules = Rules { since, ..Rules::default() };
            let found = match rules.want(Some(&user(standing, proven, &[]))) {
                Wanted::Here { enabled, .. } => Some(enabled),
                Wanted::Off => None,
                Wanted::Gone(_) => panic!("nobody is gone who has a record"),
            };
            assert_eq!(found, wanted, "{since:?} {standing:?} {proven}");
        }
        let rules = Rules { remove: Remove::Delete, ..Rules::default() };
        assert_eq!(rules.want(None), Wanted::Gone(Remove::Delete));
    }

    #[test]
    fn roles_give_groups_and_the_largest_quota() {
        let gb = |count: u64| Quota::Bytes(count << 30);
        let list = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
        let rules = Rules {
            groups: [("a".into(), list(&["staff", "x"])), ("b".into(), list(&["staff", "y"]))]
                .into(),
            quota: [("a".into(), gb(5)), ("b".into(), gb(50)), ("c".into(), Quota::Unlimited)]
                .into(),
            ..Rules::default()
        };
        for (roles, groups, quota) in [
            (&["a"][..], &["staff", "x"][..], Some(gb(5))),
            (&["a", "b"], &["staff", "x", "y"], Some(gb(50))),
            (&["b", "c"], &["staff", "y"], Some(Quota::Unlimited)),
            (&["d"], &[], None),
        ] {
            let profile = rules.profile(&user(Standing::Active, true, roles));
            assert_eq!(profile.groups, list(groups).into_iter().collect(), "{roles:?}");
            assert_eq!(profile.quota, quota, "{roles:?}");
            assert_eq!(profile.display_name, "ada");
        }
        let unproven = rules.profile(&user(Standing::Active, false, &[]));
        assert_eq!(unproven.email, None);
        assert_eq!(rules.managed(), list(&["staff", "x", "y"]).into_iter().collect());
    }
}
