//! Roles are lists of permissions `resource:action`, with `*` for either half.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::throttle::Allowance;

/// The right to do one kind of thing: `resource:action`. Either half of a *granted* permission may be `*`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Permission {
    resource: Arc<str>,
    action: Arc<str>,
}

impl Permission {
    /// Whether holding this permission allows what `needed` asks.
    pub fn covers(&self, needed: &Self) -> bool {
        half_covers(&self.resource, &needed.resource) && half_covers(&self.action, &needed.action)
    }

    /// Whether it stands for more than one: a half of it is `*`.
    pub fn is_wide(&self) -> bool {
        &*self.resource == "*" || &*self.action == "*"
    }
}

fn half_covers(held: &str, needed: &str) -> bool {
    held == "*" || held == needed
}

/// Why a permission could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected resource:action in a-z, 0-9, - and _, either of them may be *")]
pub struct ParsePermissionError;

impl FromStr for Permission {
    type Err = ParsePermissionError;

    fn from_str(text: &str) -> Result<Self, ParsePermissionError> {
        let (resource, action) = text.split_once(':').ok_or(ParsePermissionError)?;
        let legal = |half: &str| half == "*" || is_name(half);
        if legal(resource) && legal(action) {
            Ok(Self { resource: resource.into(), action: action.into() })
        } else {
            Err(ParsePermissionError)
        }
    }
}

/// 1 to 64 of `a-z A-Z 0-9 - _ .`: what permissions, roles and tiers are named with. No comma or space,
/// so that lists of them in headers have one reading.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
    }
}

/// The permissions somebody holds, over all roles and grants.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permissions(Arc<[Permission]>);

impl Permissions {
    /// Whether anything held covers `needed`.
    pub fn allow(&self, needed: &Permission) -> bool {
        self.0.iter().any(|held| held.covers(needed))
    }

    /// What is held, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(held: I) -> Self {
        let mut held: Vec<Permission> = held.into_iter().collect();
        held.sort();
        held.dedup();
        Self(held.into())
    }
}

/// What a role gives and demands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    /// The name, as in tokens and in `config.yaml`.
    pub name: Arc<str>,
    /// What it allows.
    pub permissions: Vec<Permission>,
    /// Which tier of rate limits it belongs to.
    pub tier: Arc<str>,
    /// Its own rate limit per subject, instead of the tier's.
    pub rate_limit: Option<Allowance>,
    /// How long a session of it may be idle. Default 30 min.
    pub idle_timeout: Duration,
    /// How long a session of it may last at most. Default 12 h.
    pub absolute_timeout: Duration,
    /// Whether its holders must give a second factor to sign in.
    pub second_factor: bool,
}

/// All roles, by name: the built-in ones with the operator's on top.
#[derive(Clone, Debug, Default)]
pub struct Roles(BTreeMap<Arc<str>, Arc<Role>>);

impl Roles {
    /// The role of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<Role>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.0.values()
    }

    /// Everything that the named roles allow together. A name nobody defined gives nothing.
    pub fn permissions<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Permissions {
        let roles = names.into_iter().filter_map(|name| self.find(name));
        roles.flat_map(|role| role.permissions.iter().cloned()).collect()
    }
}

impl FromIterator<Role> for Roles {
    /// Later roles replace earlier ones of the same name.
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().map(|role| (Arc::clone(&role.name), Arc::new(role))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_held_permission_covers() {
        for (held, needed, covers) in [
            ("files:read", "files:read", true),
            ("files:read", "files:write", false),
            ("files:*", "files:write", true),
            ("*:read", "files:read", true),
            ("*:read", "files:write", false),
            ("*:*", "system:admin", true),
            ("files:read", "files:*", false),
        ] {
            let permission = |text: &str| text.parse::<Permission>().expect("a permission");
            assert_eq!(
                permission(held).covers(&permission(needed)),
                covers,
                "{held} over {needed}"
            );
        }
    }

    #[test]
    fn what_is_not_a_permission_is_refused() {
        for text in
            ["", "files", "files:", ":read", "files:re ad", "a:b:c", "files,x:read", "fil*:x"]
        {
            assert!(text.parse::<Permission>().is_err(), "{text}");
        }
    }
}
