//! Outside issuers.

use std::sync::Arc;

use super::{Compiler, document};
use crate::config::{Algorithm, KeySource, OutsideIssuer, Tokens};
use crate::identity::Roles;
use crate::secret::Secret;

pub(super) fn algorithm(written: document::Algorithm) -> Algorithm {
    match written {
        document::Algorithm::EdDsa => Algorithm::EdDsa,
        document::Algorithm::Es256 => Algorithm::Es256,
        document::Algorithm::Hs256 => Algorithm::Hs256,
        document::Algorithm::Rs256 => Algorithm::Rs256,
    }
}

impl Compiler<'_> {
    pub(super) fn issuers(
        &mut self,
        written: &[document::Issuer],
        roles: &Roles,
        tokens: &Tokens,
    ) -> Vec<OutsideIssuer> {
        let mut issuers: Vec<OutsideIssuer> = Vec::new();
        for (index, issuer) in written.iter().enumerate() {
            let path = format!("issuers[{index}]");
            let at = format!("{path}.issuer");
            let message = format!("{:?} is an issuer already", issuer.issuer);
            if issuers.iter().any(|other| *other.issuer == *issuer.issuer) {
                self.problems.add(&at, message);
            } else if *tokens.issuer == *issuer.issuer {
                self.problems.add_beside(&at, &["public_url", "tokens.issuer"], message);
            }
            issuers.push(self.issuer(&path, issuer, roles));
        }
        issuers
    }

    fn issuer(&mut self, path: &str, issuer: &document::Issuer, roles: &Roles) -> OutsideIssuer {
        if issuer.audience.is_empty() {
            self.problems.add(
                &format!("{path}.audience"),
                "at least one audience is needed: without it, a token made for another service would open this one",
            );
        }
        let algorithms: Vec<_> =
            issuer.algorithms.iter().map(|written| algorithm(*written)).collect();
        if algorithms.is_empty() {
            self.problems.add(&format!("{path}.algorithms"), "at least one algorithm is needed");
        }
        let keys = self.key_source(path, issuer, &algorithms);
        let path_of = |text: &Option<String>, default: &str| -> Vec<String> {
            text.as_deref().unwrap_or(default).split('.').map(str::to_owned).collect()
        };
        let types = issuer.types.clone().unwrap_or_else(|| vec!["at+jwt".into(), "jwt".into()]);
        OutsideIssuer {
            issuer: issuer.issuer.as_str().into(),
            audience: issuer.audience.iter().map(|audience| Arc::from(audience.as_str())).collect(),
            algorithms,
            keys,
            types: types.iter().map(|typ| typ.to_ascii_lowercase()).collect(),
            roles_claim: path_of(&issuer.roles_claim, "roles"),
            default_roles: self.known_roles(
                &format!("{path}.default_roles"),
                &issuer.default_roles,
                roles,
            ),
            groups_claim: path_of(&issuer.groups_claim, "groups"),
            tier_claim: issuer.tier_claim.is_some().then(|| path_of(&issuer.tier_claim, "")),
        }
    }

    fn key_source(
        &mut self,
        path: &str,
        issuer: &document::Issuer,
        algorithms: &[Algorithm],
    ) -> KeySource {
        let secret =
            self.secret(path, "secret", issuer.secret.as_ref(), issuer.secret_file.as_ref());
        let shared = algorithms.contains(&Algorithm::Hs256);
        let of_algorithms = format!("{path}.algorithms");
        let of_keys = ["jwks_url", "key_file", "secret", "secret_file"];
        let of_keys = of_keys.map(|key| format!("{path}.{key}"));
        let mut of_keys = of_keys.each_ref().map(String::as_str).to_vec();
        if shared && algorithms.len() > 1 {
            self.problems.add_beside(
                &of_algorithms,
                &[&of_algorithms],
                "HS256 cannot stand beside others: a public key must never be taken for a secret",
            );
        }
        let ways = [secret.is_some(), issuer.jwks_url.is_some(), issuer.key_file.is_some()];
        if ways.iter().filter(|given| **given).count() != 1 {
            self.problems.add_beside(
                path,
                &of_keys,
                "exactly one of jwks_url, key_file and secret (or secret_file) is needed",
            );
        } else if shared != secret.is_some() {
            of_keys.push(&of_algorithms);
            self.problems.add_beside(
                &of_algorithms,
                &of_keys,
                "HS256 goes with a secret, and a secret with HS256",
            );
        }
        if let Some(url) = &issuer.jwks_url {
            let local =
                ["http://127.0.0.1", "http://[::1]", "http://localhost"].iter().any(|prefix| {
                    url.strip_prefix(prefix).is_some_and(|rest| rest.starts_with([':', '/']))
                });
            if !(url.starts_with("https://") || local) {
                self.problems.add(
                    &format!("{path}.jwks_url"),
                    format!("{url:?}: expected https:// (http:// for this machine only)"),
                );
            }
            let ca_file = issuer.ca_file.as_deref().map(|file| self.file(file));
            return KeySource::JwksUrl { url: url.clone(), ca_file };
        }
        if let Some(file) = &issuer.key_file {
            return KeySource::File(self.file(file));
        }
        match secret {
            Some(secret) if secret.expose().len() < 32 => {
                self.problems.add(
                    &format!("{path}.secret"),
                    "the secret is shorter than 32 bytes (RFC 7518 section 3.2)",
                );
                KeySource::Secret(secret)
            }
            secret => KeySource::Secret(secret.unwrap_or_else(|| Secret::new(Vec::new()))),
        }
    }
}
