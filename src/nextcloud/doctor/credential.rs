//! The service account: who it is, what it may do, and with which kind of password. It is tried once: Nextcloud counts what
//! it refuses.

use super::Setup;
use super::finding::Finding;
use crate::config::NextcloudService;
use crate::nextcloud::client::{Client, Trouble};
use crate::nextcloud::probe::Probe;
use crate::observe::Metrics;

const CHECK: &str = "service account";

/// The finding, and what was learned when the account may be used further.
pub(super) async fn examine(service: &NextcloudService, setup: &Setup) -> (Finding, Option<Probe>) {
    let client = match Client::new(service, Metrics::new()) {
        Ok(client) => client,
        Err(error) => {
            let mend = "correct nextcloud.ca_file in config.yaml";
            return (Finding::fail(CHECK, error.to_string(), mend), None);
        }
    };
    let asked = Probe::ask(&client).await;
    let kind = kind_of(service.password.expose());
    let finding = judge(&asked, &service.user, kind, setup.provisions, &setup.occ);
    (finding, asked.ok())
}

/// What a password is by its looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    App,
    Real,
}

/// App passwords are 72 letters and digits, or five groups of five with dashes between.
fn kind_of(password: &str) -> Kind {
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let groups: Vec<&str> = password.split('-').collect();
    let of_five = groups.len() == 5 && groups.iter().all(|group| group.len() == 5);
    if (password.len() == 72 && is_plain(password)) || of_five { Kind::App } else { Kind::Real }
}

fn judge(
    asked: &Result<Probe, Trouble>,
    user: &str,
    kind: Kind,
    provisions: bool,
    occ: &str,
) -> Finding {
    let probe = match asked {
        Ok(probe) => probe,
        Err(Trouble::Unauthorized(_) | Trouble::Stopped) => {
            return Finding::fail(
                CHECK,
                format!(
                    "the password of {user} is refused (401); it was tried once. A second factor or a disabled account \
                     looks the same"
                ),
                format!(
                    "{occ} user:resetpassword {user}    # and put it into nextcloud.admin_password_file"
                ),
            );
        }
        Err(Trouble::TooMany) => {
            return Finding::fail(
                CHECK,
                "this machine's address is locked out there after refused passwords (429)",
                format!(
                    "{occ} security:bruteforce:reset THIS_ADDRESS    # or wait for half an hour"
                ),
            );
        }
        Err(trouble) => {
            let mend = "look into Nextcloud's log, data/nextcloud.log";
            return Finding::fail(CHECK, trouble.to_string(), mend);
        }
    };
    let make = format!("{occ} group:adduser admin {user}");
    if !probe.admin {
        let found = format!("{user} signs in, but is no administrator");
        return if provisions {
            Finding::fail(CHECK, found, make)
        } else {
            Finding::warn(CHECK, found, make)
        };
    }
    if !probe.may_write {
        let found = format!(
            "{user} signs in with an app password, which may only read here: nobody can be provisioned"
        );
        let mend =
            "put the account's real password into nextcloud.admin_password_file in config.yaml";
        return if provisions {
            Finding::fail(CHECK, found, mend)
        } else {
            Finding::warn(CHECK, found, mend)
        };
    }
    match kind {
        Kind::Real => Finding::ok(
            CHECK,
            format!("{user} is an administrator, by a real password, and may change users"),
        ),
        Kind::App => Finding::warn(
            CHECK,
            format!(
                "{user} is an administrator, but with an app password: newer Nextclouds let it only read"
            ),
            "put the account's real password into nextcloud.admin_password_file in config.yaml",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::told;
    use super::*;

    #[test]
    fn what_the_account_may_do_decides() {
        let probe = |admin, may_write| {
            let version = "34.0.1".to_owned();
            Ok(Probe { version, major: 34, admin, may_write, user_oidc: true })
        };
        use Kind::{App, Real};
        for (asked, kind, provisions, verdict, mend) in [
            (probe(true, true), Real, true, "ok", ""),
            (probe(true, true), App, true, "warn", "put the account's real password"),
            (probe(true, false), App, true, "fail", "put the account's real password"),
            (probe(true, false), App, false, "warn", "put the account's real password"),
            (probe(false, false), Real, true, "fail", "occ group:adduser admin door"),
            (Err(Trouble::Unauthorized(401)), Real, true, "fail", "occ user:resetpassword door"),
            (Err(Trouble::TooMany), Real, true, "fail", "occ security:bruteforce:reset"),
            (Err(Trouble::Unreachable("not in time")), Real, true, "fail", "look into"),
        ] {
            let finding = judge(&asked, "door", kind, provisions, "occ");
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
            assert!(told(&finding).1.starts_with(mend), "{finding:?}");
        }
    }

    #[test]
    fn an_app_password_is_known_by_its_looks() {
        for (password, kind) in [
            ("aB3dE-fG5hI-kL7mN-pQ9rS-tU2vW".to_owned(), Kind::App),
            ("a1".repeat(36), Kind::App),
            ("correct horse battery".to_owned(), Kind::Real),
            ("a-b-c-d-e".to_owned(), Kind::Real),
            (String::new(), Kind::Real),
        ] {
            assert_eq!(kind_of(&password), kind, "{password}");
        }
    }
}
