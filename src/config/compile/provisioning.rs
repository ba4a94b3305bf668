//! How the gateway calls Nextcloud by itself, and what it keeps up to date there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::apps::{Apps, endpoint};
use super::{Compiler, MINUTE, document, hint};
use crate::config::{
    Endpoint, NextcloudService, NextcloudSettings, ProvisioningBackend, ProvisioningSettings,
    Servers, Upstream,
};
use crate::identity::provisioning::{Existing, Quota, Remove, Rules, Since};
use crate::identity::{CloudIds, Roles};
use crate::route::{App, HostPattern};
use crate::secret::Secret;

/// Of 50 that Nextcloud takes from one account in 10 minutes; the others are for people.
const EDITS: u32 = 45;

impl Compiler<'_> {
    /// Fills in what is known once the apps are compiled.
    pub(super) fn provisioned(
        &mut self,
        nextcloud: &document::Nextcloud,
        settings: &mut NextcloudSettings,
        compiled: &Apps,
        roles: &Roles,
    ) {
        let Some(app) = compiled.apps.iter().find(|known| known.name == settings.app) else {
            return;
        };
        settings.service =
            self.nextcloud_service(nextcloud, app, compiled.upstreams.get(&app.name));
        let is_on = matches!(nextcloud.provisioning.mode, document::ProvisioningMode::On);
        if is_on && nextcloud.admin_user.is_none() {
            self.problems.add_beside(
                "nextcloud.provisioning.mode",
                &["nextcloud.admin_user"],
                "provisioning needs a service account: set admin_user and admin_password_file",
            );
        }
        let provisioning = self.provisioning(&nextcloud.provisioning, &settings.ids, roles);
        settings.provisioning = provisioning.filter(|_| is_on);
    }

    fn nextcloud_service(
        &mut self,
        nextcloud: &document::Nextcloud,
        app: &App,
        upstream: Option<&Upstream>,
    ) -> Option<NextcloudService> {
        let second = Duration::from_secs(1);
        let timeout = self.duration(
            "nextcloud.provisioning.timeout",
            nextcloud.provisioning.timeout.as_ref(),
            MINUTE / 2,
            second,
            MINUTE * 5,
        );
        let (written, file) = (&nextcloud.admin_password, &nextcloud.admin_password_file);
        let password = self.secret("nextcloud", "admin_password", written.as_ref(), file.as_ref());
        let password = password.map(|bytes| String::from_utf8(bytes.expose().clone()));
        let own_ca = nextcloud.ca_file.as_deref().map(|file| self.file(file));
        let (url, host) = match &nextcloud.url {
            Some(url) => (self.nextcloud_url(url)?, None),
            None => match upstream.map(|upstream| &upstream.servers) {
                Some(Servers::Endpoints(endpoints)) => {
                    let host = upstream.and_then(|upstream| upstream.host.clone());
                    (url_of(endpoints.first()?), host.or_else(|| exact_host(app)))
                }
                _ if nextcloud.admin_user.is_some() => {
                    let message = "the app has no server to call; set url";
                    self.problems.add_beside("nextcloud.app", &["nextcloud.url"], message);
                    return None;
                }
                _ => return None,
            },
        };
        let (user, password) = match (&nextcloud.admin_user, password) {
            (Some(user), Some(Ok(password))) => (user.clone(), Secret::new(password)),
            (_, Some(Err(_))) => {
                let message = "the password is not UTF-8 text";
                self.problems.add("nextcloud.admin_password_file", message);
                return None;
            }
            (None, Some(Ok(_))) => {
                let message = "there is a password, but nobody to sign in as";
                self.problems.add_beside("nextcloud", &["nextcloud.admin_user"], message);
                return None;
            }
            (Some(_), None) => {
                if written.is_none() && file.is_none() {
                    self.problems.add_beside(
                        "nextcloud.admin_user",
                        &["nextcloud.admin_password", "nextcloud.admin_password_file"],
                        "signing in needs a password: set admin_password or admin_password_file",
                    );
                }
                return None;
            }
            (None, None) => return None,
        };
        let ca_file = own_ca.or_else(|| upstream.and_then(|upstream| upstream.tls.ca_file.clone()));
        Some(NextcloudService { url, host, ca_file, user, password, timeout })
    }

    fn nextcloud_url(&mut self, text: &str) -> Option<String> {
        let text = text.trim_end_matches('/');
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let found = endpoint(&format!("{scheme}://{authority}"));
        let Some(endpoint) = found.filter(|_| path.bytes().all(legal)) else {
            self.problems.add(
                "nextcloud.url",
                format!("{text:?}: expected http://host:port or https://host, with a path if Nextcloud lives below one"),
            );
            return None;
        };
        Some(format!("{}{path}", url_of(&endpoint)))
    }

    fn provisioning(
        &mut self,
        written: &document::Provisioning,
        ids: &CloudIds,
        roles: &Roles,
    ) -> Option<ProvisioningSettings> {
        let path = "nextcloud.provisioning";
        let mut groups = BTreeMap::new();
        for (role, names) in &written.groups {
            self.known_role(&format!("{path}.groups.{role}"), role, roles);
            if let Some(index) = names.iter().position(|name| name.trim().is_empty()) {
                self.problems
                    .add(&format!("{path}.groups.{role}[{index}]"), "expected the name of a group");
            }
            groups.insert(
                role.as_str().into(),
                names.iter().map(|name| name.as_str().into()).collect(),
            );
        }
        let mut quota = BTreeMap::new();
        for (role, text) in &written.quota {
            let place = format!("{path}.quota.{role}");
            self.known_role(&place, role, roles);
            match text.parse::<Quota>() {
                Ok(size) => drop(quota.insert(role.as_str().into(), size)),
                Err(error) => self.problems.add(&place, format!("{text:?}: {error}")),
            }
        }
        let edits = written.edits.unwrap_or(EDITS);
        if !(1..50).contains(&edits) {
            self.problems.add(
                &format!("{path}.edits"),
                format!("{edits}: expected from 1 to 49, because Nextcloud takes 50 in 10 minutes"),
            );
        }
        let provider = written.provider_id;
        let backend = match (written.backend, provider) {
            (document::ProvisioningBackend::Auto, provider) => {
                ProvisioningBackend::Auto { provider }
            }
            (document::ProvisioningBackend::Ocs, _) => ProvisioningBackend::Ocs,
            (document::ProvisioningBackend::UserOidc, Some(provider)) => {
                ProvisioningBackend::UserOidc { provider }
            }
            (document::ProvisioningBackend::UserOidc, None) => {
                let key = format!("{path}.provider_id");
                let message = "user_oidc needs provider_id: the number of our provider there";
                self.problems.add_beside(&format!("{path}.backend"), &[&key], message);
                return None;
            }
        };
        let rules = Rules {
            ids: ids.clone(),
            since: match written.when {
                document::ProvisionedSince::Active => Since::Active,
                document::ProvisionedSince::Registered => Since::Registered,
                document::ProvisionedSince::Verified => Since::Verified,
            },
            groups,
            quota,
            remove: match written.remove {
                document::Removal::Delete => Remove::Delete,
                document::Removal::Disable => Remove::Disable,
            },
            existing: match written.existing {
                document::ExistingAccount::Adopt => Existing::Adopt,
                document::ExistingAccount::Refuse => Existing::Refuse,
            },
        };
        Some(ProvisioningSettings { rules: Arc::new(rules), backend, edits: edits as usize })
    }

    fn known_role(&mut self, path: &str, role: &str, roles: &Roles) {
        if roles.find(role).is_none() {
            let hint = hint(role, roles.iter().map(|role| &*role.name));
            self.problems.add_beside(path, &["roles"], format!("{role:?} is not a role{hint}"));
        }
    }
}

fn url_of(endpoint: &Endpoint) -> String {
    let Endpoint { tls, host, port } = endpoint;
    let scheme = if *tls { "https" } else { "http" };
    if host.contains(':') {
        format!("{scheme}://[{host}]:{port}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

/// The host that browsers know Nextcloud by, which it therefore trusts.
fn exact_host(app: &App) -> Option<String> {
    app.hosts.iter().find_map(|host| match host {
        HostPattern::Exact(name) => Some(name.clone()),
        HostPattern::OneLabelBefore(_) => None,
    })
}
