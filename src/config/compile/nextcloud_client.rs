//! Nextcloud's app `user_oidc` as a client of ours.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Compiler, document};
use crate::config::{NextcloudClient, NextcloudSettings};
use crate::identity::openid::{Client, ClientSecret, Pkce};
use crate::identity::token::Algorithm;
use crate::route::{App, HostPattern};

/// Where `user_oidc` takes codes: with and without pretty URLs.
const CODE_PATHS: [&str; 2] = ["/apps/user_oidc/code", "/index.php/apps/user_oidc/code"];

/// The longest address of a client, in bytes: it travels with every sign-in.
const URI_MAX: usize = 255;

impl Compiler<'_> {
    /// Nextcloud as a client of ours, when it has a secret.
    pub(super) fn nextcloud_client(
        &mut self,
        oidc: &document::NextcloudOidc,
        settings: &NextcloudSettings,
        apps: &[Arc<App>],
        port: Option<u16>,
        algorithm: Algorithm,
    ) -> Option<NextcloudClient> {
        let app = apps.iter().find(|app| app.name == settings.app)?;
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
        if algorithm == Algorithm::Hs256 {
            self.problems.add_beside(
                "nextcloud.oidc",
                &["tokens.algorithm"],
                "Nextcloud cannot verify HS256: whoever verifies it could also sign; use EdDSA or ES256",
            );
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
            id: Arc::clone(&settings.oidc.client_id),
            secret: ClientSecret::new(secret.expose()),
            redirect_uris,
            post_logout_redirect_uris: ends,
            pkce: match oidc.pkce {
                document::Pkce::Optional => Pkce::Optional,
                document::Pkce::Required => Pkce::Required,
            },
            ids: settings.ids.clone(),
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
