//! What the gateway does for Nextcloud beside forwarding to it.

use std::sync::Arc;

use http::HeaderValue;

use super::{Compiler, document};
use crate::config::{Algorithm, AppApi, NextcloudBridge, NextcloudOidc, NextcloudSettings, Tokens};
use crate::identity::{CloudIdRule, CloudIds, is_name};
use crate::route::{App, IdentityMode};
use crate::secret::Secret;

impl Compiler<'_> {
    pub(super) fn nextcloud(
        &mut self,
        nextcloud: &document::Nextcloud,
        apps: &document::Named<document::App>,
    ) -> Option<NextcloudSettings> {
        let names: Vec<&str> = apps.keys().map(String::as_str).collect();
        let app = match nextcloud.app.as_deref() {
            Some(app) if names.contains(&app) => app,
            Some(app) => {
                let names = names.join(", ");
                self.problems.add("nextcloud.app", format!("{app:?}: expected one of {names}"));
                return None;
            }
            None => {
                let message = "which app is Nextcloud: the key \"app\" is missing";
                self.problems.add_beside("nextcloud", &["nextcloud.app"], message);
                return None;
            }
        };
        let rule = match nextcloud.user_id {
            document::CloudIdRule::Username => CloudIdRule::Username,
            document::CloudIdRule::Email => CloudIdRule::Email,
        };
        Some(NextcloudSettings {
            app: app.into(),
            ids: CloudIds::new(rule, &nextcloud.reserved),
            bridge: self.bridge(nextcloud),
            oidc: NextcloudOidc { client_id: self.client_id(&nextcloud.oidc), client: None },
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
}
