//! Where somebody was going when a page came between: to an app (`flow`), to a client (`openid`) or to another page of ours
//! (`next`).
//!
//! It travels in queries and hidden fields, so each tab has its own, and is looked at each time: never another site.

use axum::response::Response;

use super::super::PortalState;
use super::super::problem::PortalError;
use super::super::way_in::{escaped, own_path, see_other};
use super::sheet::{Block, Sheet};
use super::visit::{Fields, Visit};
use super::{client, words};

/// Where people come to who were going nowhere.
const HOME: &str = "/auth/account";

/// Where somebody was going.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Onward {
    /// To an app, by this sealed flow.
    Flow(String),
    /// Nowhere.
    #[default]
    Home,
    /// To a client that asked who it is, by this sealed request.
    OpenId(String),
    /// To this path here.
    Path(String),
}

impl Onward {
    /// As it stands in a query or a form. What is not ours is forgotten.
    pub(super) fn of(fields: &Fields) -> Self {
        if let Some(flow) = fields.get("flow").filter(|flow| is_flow(flow)) {
            return Self::Flow(flow.to_owned());
        }
        if let Some(request) = fields.get("openid").filter(|request| is_flow(request)) {
            return Self::OpenId(request.to_owned());
        }
        let path = fields.get("next").and_then(own_path);
        path.map_or(Self::Home, |path| Self::Path(path.to_owned()))
    }

    /// For the forms of a page between.
    pub(super) fn hidden(&self) -> Vec<(&'static str, String)> {
        self.pair().into_iter().map(|(name, value)| (name, value.to_owned())).collect()
    }

    /// `path` with it, and with `more`, in the query.
    pub(super) fn link(&self, path: &str, more: &[(&str, &str)]) -> String {
        let mut link = path.to_owned();
        for (name, value) in self.pair().iter().chain(more) {
            link.push(if link.contains('?') { '&' } else { '?' });
            link.push_str(name);
            link.push('=');
            link.push_str(&escaped(value));
        }
        link
    }

    /// The address.
    pub(super) fn location(&self) -> String {
        match self {
            Self::Flow(flow) => format!("/auth/continue?flow={flow}"),
            Self::Home => HOME.to_owned(),
            Self::OpenId(request) => format!("{}?openid={request}", client::CONTINUE),
            Self::Path(path) => path.clone(),
        }
    }

    /// Leads on from a link.
    pub(super) fn go(&self) -> Response {
        see_other(&self.location())
    }

    /// Leads on from a form. Browsers apply `form-action` to the whole chain of redirects, so the way to an app or a client, which
    /// is another host, begins with a page in between.
    pub(super) fn go_from_form(
        &self,
        portal: &PortalState,
        visit: &Visit,
    ) -> Result<Response, PortalError> {
        if !matches!(self, Self::Flow(_) | Self::OpenId(_)) {
            return Ok(self.go());
        }
        moving_on(portal, visit, self.location())
    }

    fn pair(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Flow(flow) => Some(("flow", flow)),
            Self::Home => None,
            Self::OpenId(request) => Some(("openid", request)),
            Self::Path(path) => Some(("next", path)),
        }
    }
}

/// A page that leads on to `location` by itself.
pub(super) fn moving_on(
    portal: &PortalState,
    visit: &Visit,
    location: String,
) -> Result<Response, PortalError> {
    let sheet = Sheet::new(portal, words::MOVING_ON)
        .with(Block::link(words::GO_ON, location.clone()))
        .refresh(location);
    visit.show(sheet)
}

/// Base64 of the URL-safe alphabet.
fn is_flow(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= 8192 && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Onward {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Onward::of(&pairs.collect())
    }

    #[test]
    fn only_our_own_pages_and_flows_are_gone_to() {
        for (pairs, location) in [
            (&[][..], HOME),
            (&[("next", "/auth/account/email")], "/auth/account/email"),
            (&[("next", "https://evil.example")], HOME),
            (&[("next", "//evil.example")], HOME),
            (&[("next", "/\\evil.example")], HOME),
            (&[("flow", "abc-_9")], "/auth/continue?flow=abc-_9"),
            (&[("flow", "a&next=//evil.example")], HOME),
            (&[("flow", "")], HOME),
            (&[("openid", "abc")], "/auth/openid/continue?openid=abc"),
            (&[("openid", "a/../b")], HOME),
            (&[("flow", "abc"), ("next", "/x")], "/auth/continue?flow=abc"),
        ] {
            assert_eq!(of(pairs).location(), location, "{pairs:?}");
        }
    }

    #[test]
    fn a_link_keeps_where_one_was_going() {
        let onward = of(&[("next", "/auth/account?a=1&b=2")]);
        let link = onward.link("/auth/sign-in", &[("again", "1")]);
        assert_eq!(link, "/auth/sign-in?next=/auth/account%3Fa%3D1%26b%3D2&again=1");
        assert_eq!(Onward::Home.link("/x", &[]), "/x");
    }
}
