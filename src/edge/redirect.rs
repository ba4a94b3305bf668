//! The plain listener: everybody is sent to HTTPS, on hosts that are ours, and nowhere else.

use std::fmt;
use std::sync::Arc;

use super::host::Authority;
use super::listener::problem;
use super::{Rejection, Target};
use crate::route::TargetProfile;

/// Answers every request with 308 to the same host and target over HTTPS.
///
/// 308 keeps the method (RFC 9110 §15.4.9): a client that posted to the wrong scheme posts again to the right one.
#[derive(Clone)]
pub struct Redirect {
    knows_host: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    port: Option<u16>,
}

impl Redirect {
    /// Redirects to hosts that `knows_host` accepts, and to `port` when it is not HTTPS's own.
    pub fn new(knows_host: Arc<dyn Fn(&str) -> bool + Send + Sync>, port: Option<u16>) -> Self {
        Self { knows_host, port: port.filter(|port| *port != 443) }
    }

    /// The whole answer to a head that was judged already.
    pub(super) fn answer(&self, head: &[u8]) -> String {
        let Some(location) = self.location(head) else {
            return problem(Rejection { reason: "unknown_host", status: 404 });
        };
        format!(
            "HTTP/1.1 308 Permanent Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        )
    }

    /// A host that nobody configured is not echoed: that would make us anybody's redirector.
    fn location(&self, head: &[u8]) -> Option<String> {
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let target = lines.next()?.split(' ').nth(1)?;
        let host = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then_some(value.trim())
        })?;
        let host = Authority::parse(host).ok()?.host;
        let target = Target::parse(target, TargetProfile::Dav).ok()?;
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        (self.knows_host)(&host).then(|| format!("https://{host}{port}{}", target.as_str()))
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redirect(port {:?})", self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_hosts_are_redirected_to() {
        let redirect = Redirect::new(Arc::new(|host| host == "a.example"), Some(8443));
        let location = |head: &str| redirect.location(head.as_bytes());
        assert_eq!(
            location("GET /x?y HTTP/1.1\r\nHost: A.example:8080\r\n\r\n").as_deref(),
            Some("https://a.example:8443/x?y")
        );
        assert_eq!(location("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"), None);
        assert_eq!(location("GET /../x HTTP/1.1\r\nHost: a.example\r\n\r\n"), None);
    }
}
