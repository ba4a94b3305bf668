//! What the gateway does for Nextcloud beside forwarding to it.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Compiler, document};
use crate::config::settings::{NextcloudClient, NextcloudSettings};
use crate::identity::openid::{Client, ClientSecret, Pkce};
use crate::identity::token::Algorithm;
use crate::identity::{CloudIdRule, CloudIds, is_name};
use crate::route::{App, HostPattern};

/// Where `user_oidc` takes codes: with and without pretty URLs.
const CODE_PATHS: [&str; 2] = ["/apps/user_oidc/code", "/index.php/apps/user_oidc/code"];

/// The longest address of a client, in bytes: it travels with every sign-in.
const URI_MAX: usize = 255;

impl Compiler<'_> {
    pub(super) fn nextcloud(
        &mut self,
        nextcloud: &document::Nextcloud,
        apps: &[Arc<App>],
        port: Option<u16>,
        algorithm: Algorithm,
    ) -> Option<NextcloudSettings> {
        let names: Vec<&str> = apps.iter().map(|app| &*app.name).collect();
        let app = match nextcloud.app.as_deref() {
            Some(name) => apps.iter().find(|app| *app.name == *name),
            None => {
                self.problems.add("nextcloud", "expected `app`: which app is Nextcloud");
                return None;
            }
        };
        let Some(app) = app else {
            let (name, names) = (nextcloud.app.as_deref().unwrap_or_default(), names.join(", "));
            self.problems.add("nextcloud.app", format!("{name:?}: expected one of {names}"));
            return None;
        };
        let rule = match nextcloud.user_id {
            document::CloudIdRule::Username => CloudIdRule::Username,
            document::CloudIdRule::Email => CloudIdRule::Email,
        };
        let ids = CloudIds::new(rule, &nextcloud.reserved);
        let oidc = &nextcloud.oidc;
        let client_id: Arc<str> = oidc.client_id.as_deref().unwrap_or("stormdoor").into();
        if !is_name(&client_id) {
            let message = format!("{client_id:?}: expected 1 to 64 of a-z A-Z 0-9 - _ .");
            self.problems.add("nextcloud.oidc.client_id", message);
        }
        let client = self.client(oidc, &client_id, &ids, app, port);
        if client.is_some() && algorithm == Algorithm::Hs256 {
            self.problems.add_beside(
                "nextcloud.oidc",
                &["tokens.algorithm"],
                "Nextcloud cannot verify HS256: whoever verifies it could also sign; use EdDSA or ES256",
            );
        }
        Some(NextcloudSettings { app: Arc::clone(&app.name), ids, client_id, client })
    }

    /// Nextcloud as a client of ours, when it has a secret.
    fn client(
        &mut self,
        oidc: &document::NextcloudOidc,
        id: &Arc<str>,
        ids: &CloudIds,
        app: &App,
        port: Option<u16>,
    ) -> Option<NextcloudClient> {
        let (written, file) = (oidc.client_secret.as_ref(), oidc.client_secret_file.as_ref());
        let path = "nextcloud.oidc";
        let Some(secret) = self.secret(path, "client_secret", written, file) else {
            let useless = [
                ("redirect_uris", oidc.redirect_uris.is_some()),
                ("post_logout_redirect_uris", oidc.post_logout_redirect_uris.is_some()),
            ];
            for (key, _) in useless.into_iter().filter(|(_, given)| *given) {
                let message = "of no use without client_secret or client_secret_file";
                self.problems.add(&format!("{path}.{key}"), message);
            }
            return None;
        };
        if secret.expose().len() < 32 {
            let message =
                "the secret is shorter than 32 bytes; make one with: openssl rand -hex 32";
            let key = if file.is_some() { "client_secret_file" } else { "client_secret" };
            self.problems.add(&format!("{path}.{key}"), message);
        }
        let origins: Vec<String> = app
            .hosts
            .iter()
            .filter_map(|host| match (host, port) {
                (HostPattern::Exact(host), None) => Some(format!("https://{host}")),
                (HostPattern::Exact(host), Some(port)) => Some(format!("https://{host}:{port}")),
                _ => None,
            })
            .collect();
        let on_each_host = |paths: &[&str]| -> Vec<String> {
            let on = |origin| paths.iter().map(move |path| format!("{origin}{path}"));
            origins.iter().flat_map(on).collect()
        };
        let redirect_uris = oidc.redirect_uris.clone();
        let redirect_uris = redirect_uris.unwrap_or_else(|| on_each_host(&CODE_PATHS));
        let redirect_uris = self.addresses("nextcloud.oidc.redirect_uris", &redirect_uris);
        if redirect_uris.is_empty() {
            let message = "the app has no host without `*`: name the addresses";
            self.problems.add("nextcloud.oidc.redirect_uris", message);
        }
        let ends = oidc.post_logout_redirect_uris.clone().unwrap_or_else(|| on_each_host(&["/"]));
        let ends = self.addresses("nextcloud.oidc.post_logout_redirect_uris", &ends);
        let client = Client {
            id: Arc::clone(id),
            secret: ClientSecret::new(secret.expose()),
            redirect_uris,
            post_logout_redirect_uris: ends,
            pkce: match oidc.pkce {
                document::Pkce::Optional => Pkce::Optional,
                document::Pkce::Required => Pkce::Required,
            },
            ids: ids.clone(),
        };
        let secret_file: Option<PathBuf> = file.map(|file| self.file(file));
        Some(NextcloudClient { client: Arc::new(client), secret_file })
    }

    /// Addresses of a client. They are compared as text, so they are written as the client writes them.
    fn addresses(&mut self, path: &str, written: &[String]) -> Vec<Arc<str>> {
        for (at, text) in written.iter().enumerate() {
            let host = text.strip_prefix("https://").and_then(|rest| rest.split('/').next());
            let legal = text.len() <= URI_MAX
                && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"#*\\\"<>".contains(&byte))
                && host.is_some_and(|host| !host.is_empty() && !host.contains('@'));
            if !legal {
                let message = format!("{text:?}: expected https:// and a host, without # and *");
                self.problems.add(&format!("{path}[{at}]"), message);
            }
        }
        written.iter().map(|text| Arc::from(text.as_str())).collect()
    }
}
