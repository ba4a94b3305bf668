//! The difference between what is wanted and what was found, as steps. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Found, Profile, Quota, Remove, Wanted};
use crate::identity::Email;

/// One thing to do in Nextcloud. Doing it twice does no harm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Makes the account with all of this.
    Create(Profile),
    /// Changes attributes.
    Edit(Edit),
    /// Adds to a group.
    Join(Arc<str>),
    /// Removes from a group.
    Leave(Arc<str>),
    /// Lets sign in.
    Enable,
    /// Lets no longer sign in.
    Disable,
    /// Removes the account with its files.
    Delete,
}

impl Step {
    /// The name in metrics, in the audit log and in reports; never changed once released.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Edit(_) => "edit",
            Self::Join(_) => "join",
            Self::Leave(_) => "leave",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Delete => "delete",
        }
    }
}

/// Attributes to change; what is absent stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edit {
    /// Another display name.
    pub display_name: Option<String>,
    /// Another address.
    pub email: Option<Email>,
    /// Another quota.
    pub quota: Option<Quota>,
}

impl Edit {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is to be done so that `found` becomes `wanted`. Of groups, only those in `managed` are ever left.
///
/// Whoever may no longer sign in is stopped first, and whoever may again is let in last. An account is disabled before it is
/// deleted, so that nothing is added to it meanwhile.
pub fn plan(wanted: &Wanted, found: Option<&Found>, managed: &BTreeSet<Arc<str>>) -> Vec<Step> {
    let disable = found.filter(|found| found.enabled).map(|_| Step::Disable);
    match (wanted, found) {
        (Wanted::Here { profile, enabled }, None) => {
            let create = Step::Create(profile.clone());
            if *enabled { vec![create] } else { vec![create, Step::Disable] }
        }
        (Wanted::Here { profile, enabled }, Some(found)) => {
            let mut steps: Vec<Step> = disable.filter(|_| !enabled).into_iter().collect();
            let edit = edit(profile, found);
            steps.extend((!edit.is_empty()).then_some(Step::Edit(edit)));
            let join = profile.groups.iter().filter(|group| !found.groups.contains(&***group));
            steps.extend(join.cloned().map(Step::Join));
            let leave = managed.iter().filter(|group| {
                found.groups.contains(&***group) && !profile.groups.contains(*group)
            });
            steps.extend(leave.cloned().map(Step::Leave));
            steps.extend((*enabled && !found.enabled).then_some(Step::Enable));
            steps
        }
        (Wanted::Off | Wanted::Gone(_), None) => Vec::new(),
        (Wanted::Off | Wanted::Gone(Remove::Disable), Some(_)) => disable.into_iter().collect(),
        (Wanted::Gone(Remove::Delete), Some(_)) => {
            disable.into_iter().chain([Step::Delete]).collect()
        }
    }
}

fn edit(profile: &Profile, found: &Found) -> Edit {
    let name = &profile.display_name;
    let email = profile.email.as_ref().filter(|email| {
        !found.email.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(email.as_str()))
    });
    let quota =
        profile.quota.filter(|quota| !found.quota.is_some_and(|found| quota.is_kept_as(found)));
    Edit {
        display_name: (*name != found.display_name).then(|| name.clone()),
        email: email.cloned(),
        quota,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    fn set(names: &[&str]) -> BTreeSet<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn profile(groups: &[&str]) -> Profile {
        Profile {
            display_name: "Ada".into(),
            email: Some("ada@example.org".parse().expect("an address")),
            groups: set(groups),
            quota: Some(Quota::Bytes(5 * GB)),
        }
    }

    fn found(groups: &[&str], enabled: bool) -> Found {
        Found {
            display_name: "Ada".into(),
            email: Some("Ada@example.org".into()),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            quota: Some(Quota::Bytes(5 * GB)),
            enabled,
        }
    }

    /// Steps in one line.
    fn told(steps: &[Step]) -> String {
        let told = steps.iter().map(|step| match step {
            Step::Join(group) | Step::Leave(group) => format!("{} {group}", step.name()),
            step => step.name().to_owned(),
        });
        told.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_steps_from_what_is_found_to_what_is_wanted() {
        let here = |groups: &[&str], enabled| Wanted::Here { profile: profile(groups), enabled };
        let (disable, delete) = (Wanted::Gone(Remove::Disable), Wanted::Gone(Remove::Delete));
        let managed = set(&["staff", "premium"]);
        for (wanted, found, steps) in [
            (here(&["staff"], true), None, "create"),
            (here(&[], false), None, "create, disable"),
            (here(&["staff"], true), Some(found(&["staff"], true)), ""),
            (here(&["staff"], true), Some(found(&["staff", "chess"], true)), ""),
            (here(&["staff"], true), Some(found(&["chess"], true)), "join staff"),
            (here(&["staff"], true), Some(found(&["premium"], true)), "join staff, leave premium"),
            (here(&[], true), Some(found(&["admin", "staff"], true)), "leave staff"),
            (here(&[], true), Some(found(&[], false)), "enable"),
            (here(&["staff"], false), Some(found(&[], true)), "disable, join staff"),
            (here(&["staff"], true), Some(found(&[], false)), "join staff, enable"),
            (Wanted::Off, None, ""),
            (Wanted::Off, Some(found(&["staff"], true)), "disable"),
            (Wanted::Off, Some(found(&["staff"], false)), ""),
            (disable.clone(), None, ""),
            (disable.clone(), Some(found(&[], true)), "disable"),
            (disable, Some(found(&[], false)), ""),
            (delete.clone(), None, ""),
            (delete.clone(), Some(found(&[], true)), "disable, delete"),
            (delete, Some(found(&[], false)), "delete"),
        ] {
            let planned = plan(&wanted, found.as_ref(), &managed);
            assert_eq!(told(&planned), steps, "{wanted:?} from {found:?}");
        }
    }

    #[test]
    fn only_what_differs_is_edited() {
        let wanted = profile(&[]);
        let same = found(&[], true);
        assert!(edit(&wanted, &same).is_empty());
        let other = Found {
            display_name: "A. Lovelace".into(),
            email: None,
            quota: Some(Quota::Unlimited),
            ..same.clone()
        };
        let edited = Edit {
            display_name: Some("Ada".into()),
            email: wanted.email.clone(),
            quota: wanted.quota,
        };
        assert_eq!(edit(&wanted, &other), edited);
        let silent = Profile { email: None, quota: None, ..wanted };
        let only_the_name = Edit { display_name: Some("Ada".into()), ..Edit::default() };
        assert_eq!(edit(&silent, &other), only_the_name, "what we do not know is left alone");
    }

    #[test]
    fn after_its_steps_nothing_is_left_to_do() {
        let managed = set(&["staff", "premium", "admin"]);
        for groups in [&[][..], &["staff"], &["premium", "admin"]] {
            for enabled in [true, false] {
                let wanted = Wanted::Here { profile: profile(groups), enabled };
                for before in [found(&["staff", "chess"], true), found(&["admin"], false)] {
                    let mut after = before.clone();
                    for step in plan(&wanted, Some(&before), &managed) {
                        match step {
                            Step::Join(group) => drop(after.groups.insert(group.to_string())),
                            Step::Leave(group) => drop(after.groups.remove(&*group)),
                            Step::Enable => after.enabled = true,
                            Step::Disable => after.enabled = false,
                            step => panic!("{step:?} is not needed"),
                        }
                    }
                    assert_eq!(plan(&wanted, Some(&after), &managed), []);
                }
            }
        }
    }
}
