//! The roles that a command names.

use std::collections::HashSet;
use std::sync::Arc;

use super::exit::Refused;
use super::print::listed;
use crate::identity::Identity;

/// The roles of these names, each once; without any, the configured default. Which ones there are is told to whoever names
/// one that does not exist.
pub(super) fn chosen(identity: &Identity, names: &[String]) -> Result<Vec<Arc<str>>, Refused> {
    let settings = identity.settings();
    if names.is_empty() {
        return Ok(settings.default_roles.clone());
    }
    if let Some(unknown) = names.iter().find(|name| settings.roles.find(name).is_none()) {
        let known = listed(settings.roles.iter().map(|role| &role.name));
        return Err(Refused(format!("there is no role {unknown:?}; there are {known}")));
    }
    let mut seen = HashSet::new();
    Ok(names.iter().filter(|name| seen.insert(*name)).map(|name| name.as_str().into()).collect())
}
