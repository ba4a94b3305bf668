//! What the gateway does for Nextcloud beside forwarding to it.

use super::{Compiler, document};
use crate::config::NextcloudSettings;
use crate::identity::{CloudIdRule, CloudIds};

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
        Some(NextcloudSettings { app: app.into(), ids: CloudIds::new(rule, &nextcloud.reserved) })
    }
}
