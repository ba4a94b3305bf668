//! Which calls a step is.

use http::Method;

use super::client::Call;
use super::ocs::escaped;
use crate::identity::CloudId;
use crate::identity::provisioning::{Edit, Profile, Step};
use crate::identity::random;

/// How accounts are made and changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Backend {
    /// Local accounts, by the provisioning API.
    Ocs {
        /// Whether several attributes can be changed by one call (Nextcloud 34).
        patch: bool,
    },
    /// Accounts of our provider in the app `user_oidc`, by its pre-provisioning. Groups and enabling are OCS still.
    UserOidc {
        /// Its number there.
        provider: u32,
    },
}

impl Backend {
    /// The calls that do `step` for `id`, in their order. A password that nobody knows is made where one is needed.
    pub(super) fn calls(self, step: &Step, id: &CloudId) -> Vec<Call> {
        let user = format!("cloud/users/{}", escaped(id.as_str()));
        let group = |group: &str| vec![("groupid", group.to_owned())];
        match (self, step) {
            (Self::Ocs { .. }, Step::Create(profile)) => vec![create(id, profile)],
            (Self::UserOidc { provider }, Step::Create(profile)) => {
                let edit = Edit {
                    display_name: Some(profile.display_name.clone()),
                    email: profile.email.clone(),
                    quota: profile.quota,
                };
                vec![pre_provision(provider, id, &edit, "create")]
            }
            (Self::Ocs { patch: true }, Step::Edit(edit)) => {
                let fields = attributes(edit, "displayName");
                vec![Call { is_edit: true, ..call("edit", Method::PATCH, user, fields) }]
            }
            (Self::Ocs { patch: false }, Step::Edit(edit)) => {
                let each = attributes(edit, "displayname").into_iter().map(|(key, value)| {
                    let fields = vec![("key", key.to_owned()), ("value", value)];
                    Call { is_edit: true, ..call("edit", Method::PUT, user.clone(), fields) }
                });
                each.collect()
            }
            (Self::UserOidc { provider }, Step::Edit(edit)) => {
                vec![pre_provision(provider, id, edit, "edit")]
            }
            (_, Step::Join(name)) => {
                vec![call("join", Method::POST, format!("{user}/groups"), group(name))]
            }
            (_, Step::Leave(name)) => {
                let path = format!("{user}/groups?groupid={}", escaped(name));
                vec![call("leave", Method::DELETE, path, vec![])]
            }
            (_, Step::Enable) => {
                vec![call("enable", Method::PUT, format!("{user}/enable"), vec![])]
            }
            (_, Step::Disable) => {
                vec![call("disable", Method::PUT, format!("{user}/disable"), vec![])]
            }
            (Self::Ocs { .. }, Step::Delete) => vec![call("delete", Method::DELETE, user, vec![])],
            (Self::UserOidc { .. }, Step::Delete) => {
                let path = format!("{PRE_PROVISIONING}/{}", escaped(id.as_str()));
                vec![call("delete", Method::DELETE, path, vec![])]
            }
        }
    }
}

/// Where `user_oidc` takes users that nobody signed in as yet.
pub(super) const PRE_PROVISIONING: &str = "apps/user_oidc/api/v1/user";

/// Reads the record of `id`.
pub(super) fn read(id: &CloudId) -> Call {
    call("read", Method::GET, format!("cloud/users/{}", escaped(id.as_str())), vec![])
}

/// Makes a group.
pub(super) fn make_group(name: &str) -> Call {
    call("make_group", Method::POST, "cloud/groups".into(), vec![("groupid", name.to_owned())])
}

/// Lists `limit` users of each kind behind the first `offset`.
pub(super) fn list(limit: u32, offset: u32) -> Call {
    call("list", Method::GET, format!("cloud/users?limit={limit}&offset={offset}"), vec![])
}

pub(super) fn call(
    name: &'static str,
    method: Method,
    path: String,
    fields: Vec<(&'static str, String)>,
) -> Call {
    Call { name, method, path, fields, is_edit: false }
}

/// Everything at once, because creating is not limited and editing is.
fn create(id: &CloudId, profile: &Profile) -> Call {
    let mut fields = vec![
        ("userid", id.as_str().to_owned()),
        ("password", password()),
        ("displayName", profile.display_name.clone()),
    ];
    fields.extend(profile.email.as_ref().map(|email| ("email", email.as_str().to_owned())));
    fields.extend(profile.quota.map(|quota| ("quota", quota.to_string())));
    fields.extend(profile.groups.iter().map(|group| ("groups[]", group.to_string())));
    call("create", Method::POST, "cloud/users".into(), fields)
}

fn pre_provision(provider: u32, id: &CloudId, edit: &Edit, name: &'static str) -> Call {
    let mut fields = vec![("providerId", provider.to_string()), ("userId", id.as_str().to_owned())];
    fields.extend(attributes(edit, "displayName"));
    call(name, Method::POST, PRE_PROVISIONING.into(), fields)
}

fn attributes(edit: &Edit, display_name: &'static str) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    fields.extend(edit.display_name.clone().map(|name| (display_name, name)));
    fields.extend(edit.email.as_ref().map(|email| ("email", email.as_str().to_owned())));
    fields.extend(edit.quota.map(|quota| ("quota", quota.to_string())));
    fields
}

/// 192 random bits that satisfy every rule about kinds of characters. Nobody ever learns it.
fn password() -> String {
    use std::fmt::Write as _;
    random::bytes::<24>().iter().fold(String::from("Aa1-"), |mut password, byte| {
        let _infallible = write!(password, "{byte:02x}");
        password
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::provisioning::Quota;

    fn told(backend: Backend, step: &Step) -> Vec<String> {
        let id = CloudId::from_store("ada@example.org");
        let calls = backend.calls(step, &id);
        let told = calls.iter().map(|call| {
            let keep = call.fields.iter().filter(|(key, _)| *key != "password");
            let fields: Vec<_> = keep.map(|(key, value)| format!(" {key}={value}")).collect();
            let fields = fields.concat();
            let counted = if call.is_edit { " (counted)" } else { "" };
            format!("{} {}{fields}{counted}", call.method, call.path)
        });
        told.collect()
    }

    #[test]
    fn the_calls_of_each_step() {
        let (new, old) = (Backend::Ocs { patch: true }, Backend::Ocs { patch: false });
        let oidc = Backend::UserOidc { provider: 7 };
        let edit = Edit {
            display_name: Some("Ada".into()),
            email: None,
            quota: Some(Quota::Bytes(5 << 30)),
        };
        let profile = Profile {
            display_name: "Ada".into(),
            email: Some("ada@example.org".parse().expect("an address")),
            groups: ["a".into(), "b c".into()].into(),
            quota: Some(Quota::Unlimited),
        };
        let at = "cloud/users/ada%40example.org";
        let (create, edit) = (Step::Create(profile), Step::Edit(edit));
        for (backend, step, calls) in [
            (new, &create, vec![
                "POST cloud/users userid=ada@example.org displayName=Ada email=ada@example.org quota=none \
                 groups[]=a groups[]=b c".to_owned(),
            ]),
            (oidc, &create, vec![
                "POST apps/user_oidc/api/v1/user providerId=7 userId=ada@example.org displayName=Ada \
                 email=ada@example.org quota=none".to_owned(),
            ]),
            (new, &edit, vec![format!("PATCH {at} displayName=Ada quota=5 GB (counted)")]),
            (old, &edit, vec![
                format!("PUT {at} key=displayname value=Ada (counted)"),
                format!("PUT {at} key=quota value=5 GB (counted)"),
            ]),
            (oidc, &edit, vec![
                "POST apps/user_oidc/api/v1/user providerId=7 userId=ada@example.org displayName=Ada quota=5 GB"
                    .to_owned(),
            ]),
            (oidc, &Step::Join("b c".into()), vec![format!("POST {at}/groups groupid=b c")]),
            (new, &Step::Leave("b c".into()), vec![format!("DELETE {at}/groups?groupid=b%20c")]),
            (new, &Step::Enable, vec![format!("PUT {at}/enable")]),
            (oidc, &Step::Disable, vec![format!("PUT {at}/disable")]),
            (new, &Step::Delete, vec![format!("DELETE {at}")]),
            (oidc, &Step::Delete, vec![
                "DELETE apps/user_oidc/api/v1/user/ada%40example.org".to_owned(),
            ]),
        ] {
            assert_eq!(told(backend, step), calls);
        }
    }

    #[test]
    fn no_two_passwords_are_alike_and_every_policy_takes_them() {
        let one = password();
        assert_ne!(one, password());
        assert!((40..=469).contains(&one.len()));
    }
}
