//! What the gateway does for Nextcloud beside forwarding to it.

use std::sync::Arc;

use super::{Compiler, document};
use crate::config::{NextcloudOidc, NextcloudSettings};
use crate::identity::{CloudIdRule, CloudIds, is_name};

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
                self.problems.add("nextcloud", "expected `app`: which app is Nextcloud");
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
            oidc: NextcloudOidc { client_id: self.client_id(&nextcloud.oidc), client: None },
        })
    }

    fn client_id(&mut self, oidc: &document::NextcloudOidc) -> Arc<str> {
        let text = oidc.client_id.as_deref().unwrap_or("stormdoor");
        if !is_name(text) {
            let message = format!("{text:?}: expected 1 to 64 of a-z A-Z 0-9 - _ .");
            self.problems.add("nextcloud.oidc.client_id", message);
        }
        text.into()
    }
}
