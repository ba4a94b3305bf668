//! How mail is sent.

use std::net::IpAddr;
use std::time::Duration;

use super::{Compiler, MINUTE, document};
use crate::config::{MailCredentials, MailFrom, MailSecurity, MailServer, MailSettings};
use crate::edge::Authority;
use crate::identity::{Email, ParseEmailError};
use crate::secret::Secret;

impl Compiler<'_> {
    pub(super) fn mail(&mut self, mail: &document::Mail) -> Option<MailSettings> {
        let server = self.mail_server(&mail.url);
        let credentials = self.mail_credentials(mail);
        let exposed = server.as_ref().is_some_and(|server| {
            server.security == MailSecurity::Plain && !is_this_machine(&server.host)
        });
        if credentials.is_some() && exposed {
            self.warn("mail.url", "the password crosses the network in the clear");
        }
        let from = parse_from(&mail.from);
        if let Err(error) = from {
            self.problems.add("mail.from", format!("{:?}: {error}, or Name <address>", mail.from));
        }
        let second = Duration::from_secs(1);
        let timeout =
            self.duration("mail.timeout", mail.timeout.as_ref(), MINUTE / 2, second, MINUTE * 5);
        let ca_file = mail.ca_file.as_deref().map(|file| self.file(file));
        Some(MailSettings { server: server?, credentials, from: from.ok()?, ca_file, timeout })
    }

    fn mail_server(&mut self, url: &str) -> Option<MailServer> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let security = match scheme {
            "smtp" => Some((MailSecurity::Plain, 25)),
            "smtp+starttls" => Some((MailSecurity::StartTls, 587)),
            "smtps" => Some((MailSecurity::Tls, 465)),
            _ => None,
        };
        let authority = Authority::parse(rest.trim_end_matches('/')).ok();
        let Some(((security, port), authority)) = security.zip(authority) else {
            // What stands there may be a password, so it is not quoted.
            self.problems.add(
                "mail.url",
                "expected smtps://, smtp+starttls:// or smtp://, a host and a port if needed; user and password have \
                 keys of their own",
            );
            return None;
        };
        let host = authority.host.trim_matches(['[', ']']).to_owned();
        if security == MailSecurity::Plain && !is_private(&host) {
            self.problems.add(
                "mail.url",
                format!(
                    "{url:?}: mails hold links that open accounts; use smtps:// or smtp+starttls:// (smtp:// for this \
                     machine and private networks only)"
                ),
            );
        }
        Some(MailServer { security, host, port: authority.port.unwrap_or(port) })
    }

    fn mail_credentials(&mut self, mail: &document::Mail) -> Option<MailCredentials> {
        let (written, file) = (mail.password.as_ref(), mail.password_file.as_ref());
        let password = self.secret("mail", "password", written, file);
        let password = password.map(|bytes| String::from_utf8(bytes.expose().clone()));
        match (&mail.user, password) {
            (Some(user), Some(Ok(password))) => {
                let password = Secret::new(password);
                return Some(MailCredentials { user: user.clone(), password });
            }
            (_, Some(Err(_))) => {
                self.problems.add("mail.password_file", "the password is not UTF-8 text");
            }
            (None, Some(Ok(_))) => {
                self.problems.add_beside(
                    "mail.user",
                    &["mail.user"],
                    "there is a password, but nobody to sign in as",
                );
            }
            (Some(_), None) if written.is_none() && file.is_none() => self.problems.add_beside(
                "mail.user",
                &["mail.password", "mail.password_file"],
                "signing in needs a password: set password or password_file",
            ),
            (_, None) => {}
        }
        None
    }
}

/// `address`, or `name <address>`.
fn parse_from(text: &str) -> Result<MailFrom, ParseEmailError> {
    let Some((name, rest)) = text.split_once('<') else {
        return Ok(MailFrom { name: None, address: text.parse()? });
    };
    let address: Email = rest.strip_suffix('>').ok_or(ParseEmailError)?.parse()?;
    let name = name.trim().trim_matches('"');
    if name.chars().any(char::is_control) {
        return Err(ParseEmailError);
    }
    Ok(MailFrom { name: (!name.is_empty()).then(|| name.to_owned()), address })
}

pub(super) fn is_this_machine(host: &str) -> bool {
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

/// Whether nobody outside sees what is said to `host`, as far as its name or address tells: private addresses, names
/// without a dot (of a container network), and the domains set apart for such networks.
fn is_private(host: &str) -> bool {
    let by_address = match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_unique_local() || address.is_unicast_link_local(),
        Err(_) => {
            let domains = [".internal", ".local", ".home.arpa"];
            !host.contains('.') || domains.iter().any(|domain| host.ends_with(domain))
        }
    };
    by_address || is_this_machine(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_to_which_mail_may_go_without_tls() {
        for host in [
            "127.0.0.1",
            "::1",
            "localhost",
            "mail.localhost",
            "mailpit",
            "10.1.2.3",
            "192.168.0.25",
            "172.16.0.1",
            "fd00::25",
            "fe80::1",
            "mail.internal",
            "nas.local",
            "relay.home.arpa",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in ["mail.example.org", "192.0.2.1", "172.32.0.1", "2001:db8::1", "local.example"]
        {
            assert!(!is_private(host), "{host}");
        }
    }

    #[test]
    fn the_sender_has_an_address_and_perhaps_a_name() {
        for (text, name, address) in [
            ("door@example.org", None, "door@example.org"),
            ("<door@example.org>", None, "door@example.org"),
            ("Café <door@example.org>", Some("Café"), "door@example.org"),
            ("\"A, B\" <door@example.org>", Some("A, B"), "door@example.org"),
        ] {
            let from = parse_from(text).expect(text);
            assert_eq!((from.name.as_deref(), from.address.as_str()), (name, address));
        }
        for text in ["", "door", "Door <door>", "Door <a@b.c", "a\r\nBcc: x <a@b.c>"] {
            parse_from(text).expect_err(text);
        }
    }
}
