//! What the gateway does for Nextcloud beside forwarding to it, and what `preset: nextcloud` fills in.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::{Compiler, DAY, MINUTE, document};
use crate::config::{
    Algorithm, AppApi, HealthAnswer, HealthCheck, NextcloudBridge, NextcloudOidc,
    NextcloudSettings, Tokens,
};
use crate::identity::{CloudIdRule, CloudIds, Roles, is_name};
use crate::route::nextcloud::{self, Policy, PublicShares};
use crate::route::{AccessRule, App, IdentityMode, Route};
use crate::secret::Secret;

/// For people and programs: a page of Nextcloud is a hundred requests.
const RATE_LIMIT: &str = "1200/min";

impl Compiler<'_> {
    pub(super) fn nextcloud(
        &mut self,
        nextcloud: &document::Nextcloud,
        apps: &document::Named<document::App>,
    ) -> Option<NextcloudSettings> {
        let names: Vec<&str> = apps.keys().map(String::as_str).collect();
        let mut preset = apps.iter().filter(|(_, app)| app.preset.is_some());
        let only = preset.next().filter(|_| preset.next().is_none()).map(|(name, _)| name.as_str());
        let app = match nextcloud.app.as_deref().or(only) {
            Some(app) if names.contains(&app) => app,
            Some(app) => {
                let names = names.join(", ");
                self.problems.add("nextcloud.app", format!("{app:?}: expected one of {names}"));
                return None;
            }
            None => {
                let message = "which app is Nextcloud: the key \"app\" is missing, or `preset: nextcloud` at one app";
                self.problems.add_beside("nextcloud", &["nextcloud.app"], message);
                return None;
            }
        };
        let rule = match nextcloud.user_id {
            document::CloudIdRule::Username => CloudIdRule::Username,
            document::CloudIdRule::Email => CloudIdRule::Email,
        };
        let mut reserved = nextcloud.reserved.clone();
        reserved.extend(nextcloud.admin_user.clone());
        Some(NextcloudSettings {
            app: app.into(),
            ids: CloudIds::new(rule, &reserved),
            bridge: self.bridge(nextcloud),
            oidc: NextcloudOidc { client_id: self.client_id(&nextcloud.oidc), client: None },
            // What needs the compiled apps comes later.
            service: None,
            provisioning: None,
        })
    }

    fn bridge(&mut self, nextcloud: &document::Nextcloud) -> NextcloudBridge {
        let bridge = nextcloud.bridge.unwrap_or_default();
        if nextcloud.app_api.is_some() && bridge != document::Bridge::AppApi {
            let message = "means something with bridge: app_api only";
            self.problems.add_beside("nextcloud.app_api", &["nextcloud.bridge"], message);
        }
        match bridge {
            document::Bridge::AppApi => {
                let Some(app_api) = &nextcloud.app_api else {
                    let message = "app_api: expected a section `app_api` beside it, with id, version and secret, as the app \
                                   is registered in Nextcloud";
                    self.problems.add_beside("nextcloud.bridge", &["nextcloud.app_api"], message);
                    return NextcloudBridge::Pass;
                };
                NextcloudBridge::AppApi(self.app_api(app_api))
            }
            document::Bridge::AppPassword => NextcloudBridge::AppPassword,
            document::Bridge::Oidc => NextcloudBridge::Oidc,
            document::Bridge::Pass => NextcloudBridge::Pass,
        }
    }

    fn app_api(&mut self, written: &document::AppApi) -> AppApi {
        let mut value = |key: &str, text: &str| {
            let legal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !legal {
                let path = format!("nextcloud.app_api.{key}");
                self.problems.add(&path, format!("{text:?}: expected visible ASCII characters"));
            }
            HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
        };
        let (id, version) = (value("id", &written.id), value("version", &written.version));
        let path = "nextcloud.app_api";
        let (text, file) = (written.secret.as_ref(), written.secret_file.as_ref());
        let secret = self.secret(path, "secret", text, file).unwrap_or(Secret::new(Vec::new()));
        if secret.expose().is_empty() {
            let beside = ["nextcloud.app_api.secret", "nextcloud.app_api.secret_file"];
            self.problems.add_beside(path, &beside, "expected `secret` or `secret_file`");
        }
        AppApi { id, version, secret }
    }

    fn client_id(&mut self, oidc: &document::NextcloudOidc) -> Arc<str> {
        let text = oidc.client_id.as_deref().unwrap_or("stormdoor");
        if !is_name(text) {
            let message = format!("{text:?}: expected 1 to 64 of a-z A-Z 0-9 - _ .");
            self.problems.add("nextcloud.oidc.client_id", message);
        }
        text.into()
    }

    /// The identity of an app that asks to be told as Nextcloud is.
    pub(super) fn nextcloud_identity(
        &mut self,
        path: &str,
        app: &str,
        document: &document::Document,
    ) -> IdentityMode {
        let Some(settings) = &self.nextcloud else {
            // A section with problems of its own has been told of already.
            if document.nextcloud.is_none() {
                let message =
                    format!("nextcloud: expected a section `nextcloud` with `app: {app}`");
                self.problems.add_beside(path, &["nextcloud"], message);
            }
            return IdentityMode::None;
        };
        if *settings.app != *app {
            let message = format!(
                "nextcloud: expected at the app that nextcloud.app names, which is {}",
                settings.app
            );
            self.problems.add_beside(path, &["nextcloud.app"], message);
            return IdentityMode::None;
        }
        let ids = match settings.bridge {
            NextcloudBridge::Pass => None,
            NextcloudBridge::AppApi(_) | NextcloudBridge::AppPassword | NextcloudBridge::Oidc => {
                Some(settings.ids.clone())
            }
        };
        IdentityMode::Nextcloud { ids }
    }

    /// A bridge that leads nowhere is a mistake, and so is one that Nextcloud cannot take.
    pub(super) fn bridge_is_good(
        &mut self,
        document: &document::Document,
        apps: &[Arc<App>],
        tokens: &Tokens,
    ) {
        let Some(settings) = &self.nextcloud else { return };
        let written = document.nextcloud.as_ref().is_some_and(|written| written.bridge.is_some());
        let used = apps.iter().any(|app| {
            app.name == settings.app && matches!(app.identity, IdentityMode::Nextcloud { .. })
        });
        let path = if written { "nextcloud.bridge" } else { "nextcloud" };
        if used
            && matches!(settings.bridge, NextcloudBridge::Oidc)
            && tokens.algorithm == Algorithm::Hs256
        {
            let message = "bridge oidc: Nextcloud takes no tokens signed by HS256; expected EdDSA, ES256 or RS256 as \
                           tokens.algorithm, or another bridge";
            self.problems.add_beside(path, &["tokens.algorithm"], message);
        }
        if written && !used {
            let identity = format!("apps.{}.identity", settings.app);
            let message = format!("means something with {identity}: nextcloud only");
            self.problems.add_beside(path, &[&identity], message);
        }
    }

    /// The routes that `preset: nextcloud` makes, to be tried behind the app's own.
    pub(super) fn preset(
        &mut self,
        path: &str,
        app: &document::App,
        compiled: &Arc<App>,
        roles: &Roles,
    ) -> Vec<Route> {
        let path = format!("{path}.nextcloud");
        if app.preset.is_none() {
            if app.nextcloud.is_some() {
                let needed = "means something with preset: nextcloud only";
                self.problems.add(&path, needed);
            }
            return Vec::new();
        }
        let written = document::NextcloudPaths::default();
        let written = app.nextcloud.as_deref().unwrap_or(&written);
        let policy = self.policy(&path, written, roles);
        nextcloud::routes(compiled, &policy)
    }

    fn policy(&mut self, path: &str, written: &document::NextcloudPaths, roles: &Roles) -> Policy {
        use document::{LoginFlow, Openness, UnsizedUploads};
        let at = |key: &str| format!("{path}.{key}");
        let federation_from = self.networks(&at("federation_from"), &written.federation_from);
        let federation = (written.federation == Openness::Open).then_some(federation_from);
        if federation.is_none() && !written.federation_from.is_empty() {
            let beside = at("federation");
            let message = "means something with federation: open only";
            self.problems.add_beside(&at("federation_from"), &[&beside], message);
        }
        let own_login_flow = written.login_flow == LoginFlow::Own;
        if !own_login_flow && written.login_flow_second_factor.is_some() {
            let message = "means something with login_flow: own only";
            self.problems.add_beside(
                &at("login_flow_second_factor"),
                &[&at("login_flow")],
                message,
            );
        }
        let pass_through = written.pass_through.unwrap_or(true);
        if !own_login_flow && !pass_through {
            let message = "with login_flow: pass, programs get passwords of Nextcloud, which pass_through: false refuses";
            self.problems.add_beside(&at("pass_through"), &[&at("login_flow")], message);
        }
        let limit = written.rate_limit.as_deref().unwrap_or(RATE_LIMIT);
        Policy {
            public_shares: match written.public_shares {
                document::PublicShares::Closed => PublicShares::Closed,
                document::PublicShares::Limited => PublicShares::Limited,
                document::PublicShares::Open => PublicShares::Open,
            },
            federation,
            office: self.networks(&at("office_from"), &written.office_from),
            talk_guests: written.talk == Openness::Open,
            talk: self.networks(&at("talk_from"), &written.talk_from),
            push_open: written.push == Openness::Open,
            pass_through,
            own_login_flow,
            login_flow_second_factor: self.second_factor(
                &at("login_flow_second_factor"),
                written.login_flow_second_factor.as_ref(),
            ),
            admin: self.administrators(&at("admin"), &written.admin, roles),
            admin_from: self.networks(&at("admin.from"), &written.admin.from),
            sized_uploads: written.unsized_uploads == UnsizedUploads::Refuse,
            rate_limit: self.allowance(&at("rate_limit"), limit),
        }
    }

    fn administrators(
        &mut self,
        path: &str,
        admin: &document::NextcloudAdmin,
        known: &Roles,
    ) -> AccessRule {
        let roles = match &admin.roles {
            Some(names) if names.is_empty() => {
                self.problems.add(&format!("{path}.roles"), "expected at least one role");
                vec![]
            }
            Some(names) => self.known_roles(&format!("{path}.roles"), names, known),
            None => vec!["admin".into(), "superadmin".into()],
        };
        let second_factor =
            self.second_factor(&format!("{path}.second_factor"), admin.second_factor.as_ref());
        AccessRule::SignedIn { permissions: vec![], roles, scopes: vec![], second_factor }
    }

    fn second_factor(&mut self, path: &str, written: Option<&String>) -> Option<Duration> {
        written?;
        Some(self.duration(path, written, MINUTE * 15, MINUTE, DAY))
    }
}

/// The health check of an app with the preset. It asks for a host that Nextcloud trusts: the first that people use.
pub(super) fn health(app: &document::App) -> Option<HealthCheck> {
    app.preset?;
    let host = app.host.iter().chain(&app.hosts).find(|host| !host.starts_with('*'));
    Some(HealthCheck {
        path: "/status.php".to_owned(),
        interval: Duration::from_secs(10),
        // With all its workers busy, Nextcloud answers late, and is not down. Nobody gets anything while it is called so.
        timeout: Duration::from_secs(30),
        unhealthy_after: 3,
        healthy_after: 2,
        host: host.cloned(),
        answer: HealthAnswer::Nextcloud,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nextcloud_whose_workers_are_busy_is_given_the_time_of_a_slow_page() {
        let yaml = "public_url: https://localhost\napps: { cloud: { host: cloud.localhost, upstream: \"http://127.0.0.1:1\", preset: nextcloud } }\n";
        let place = std::path::Path::new(".");
        let config =
            crate::config::parse(yaml, "config.yaml", place, &|_| None).expect("it is good");
        let upstream = config.upstreams.values().find(|upstream| upstream.health.is_some());
        let upstream = upstream.expect("with the check of the preset");
        let health = upstream.health.as_ref().expect("the check of the preset");
        // Seen with Apache's prefork: connections that are kept alive hold its workers for 15 s.
        assert!(health.timeout > Duration::from_secs(15));
        assert!(upstream.timeouts.idle < Duration::from_secs(5), "shorter than Apache keeps them");
    }
}
