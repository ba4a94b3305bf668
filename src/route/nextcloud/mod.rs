//! The paths of Nextcloud by class, as data: what `preset: nextcloud` makes the routes of an app from.
//!
//! | | |
//! |---|---|
//! | [`CLASSES`] | the table: which paths, which methods, by which rule |
//! | [`Policy`] | what `apps.<name>.nextcloud` says |
//! | [`routes`] | the routes that the table comes to under a policy |
//!
//! All routes of a class have one name, `<app>.<class>`, and so one rate limit: whoever guesses spends it however the path
//! is written. A path with `[/index.php]` in front is there with and without it, as Nextcloud serves it.

mod classes;

pub use classes::{CLASSES, Class, Rule};

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use ipnet::IpNet;

use super::{
    Accept, AccessRule, App, BodyRules, Destination, HeaderPreset, IdentityMode, Manner,
    PathPattern, Route, SecurityHeaders, TargetProfile,
};
use crate::throttle::{Allowance, Quota};

/// Where a program begins login flow v2 (`POST`), also behind `/index.php`.
pub const FLOW: &str = "/login/v2";
/// Where it asks how that went (`POST`), also behind `/index.php`.
pub const FLOW_POLL: &str = "/login/v2/poll";
/// The page that its user sees, before the token of the flow.
pub const FLOW_PAGE: &str = "/login/v2/flow";
/// Where the form of that page goes (`POST`).
pub const FLOW_GRANT: &str = "/login/v2/grant";
/// Where clients look for calendars and contacts (RFC 6764 §5), and where those are.
pub const DISCOVERY: [&str; 2] = ["/.well-known/caldav", "/.well-known/carddav"];
/// What [`DISCOVERY`] leads to.
pub const DAV: &str = "/remote.php/dav/";

/// What an app with the preset says about its classes.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Links to shared files and calendars.
    pub public_shares: PublicShares,
    /// Other servers may share with this one, from these networks; an empty list is everywhere. `None`: they may not.
    pub federation: Option<Vec<IpNet>>,
    /// Networks of the document server. Empty: its callbacks are closed.
    pub office: Vec<IpNet>,
    /// Whether guests may join calls and open the signalling socket.
    pub talk_guests: bool,
    /// Networks of the signalling and recording servers. Empty: their callbacks are closed.
    pub talk: Vec<IpNet>,
    /// Whether the socket of notifications is open to programs that sign in on it, by a message.
    pub push_open: bool,
    /// Whether Nextcloud's own credentials are passed on to it.
    pub pass_through: bool,
    /// Whether login flow v2 is ours and ends with a device password.
    pub own_login_flow: bool,
    /// A second factor must have been given within this time to let a program in by our login flow.
    pub login_flow_second_factor: Option<Duration>,
    /// Who may administer.
    pub admin: AccessRule,
    /// From where. Empty: from everywhere.
    pub admin_from: Vec<IpNet>,
    /// Whether uploads must say how long they are.
    pub sized_uploads: bool,
    /// In place of the general limits, for people and programs.
    pub rate_limit: Allowance,
}

/// Who may open links to shared files.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PublicShares {
    /// Anybody, as often as the app's limit allows.
    Open,
    /// Anybody, 120 times a minute.
    #[default]
    Limited,
    /// Whoever is signed in.
    Closed,
}

/// How often a client network may fail to sign in at Nextcloud itself before it is not passed on any more: less than the ten
/// failures after which Nextcloud locks everybody out who has this address.
pub const OWN_FAILURES: (u32, Duration) = (8, Duration::from_mins(30));

/// The body of the few requests of the login flow.
const SMALL_BODY: u64 = 4 * 1024;

/// The routes of `app` under `policy`, in the order in which they are to be tried, behind its own.
///
/// # Panics
///
/// Never: the patterns and methods of the classes are literals, which a test reads.
pub fn routes(app: &Arc<App>, policy: &Policy) -> Vec<Route> {
    let ours = |max: u64| {
        let (max_bytes, json) = (Some(max), None);
        Arc::new(App {
            destination: Destination::Portal,
            identity: IdentityMode::None,
            cors: None,
            headers: SecurityHeaders::of(HeaderPreset::Strict),
            body: BodyRules { max_bytes, json },
            targets: TargetProfile::Strict,
            ..App::clone(app)
        })
    };
    let small =
        App { body: BodyRules { max_bytes: Some(SMALL_BODY), json: None }, ..App::clone(app) };
    let apps = Apps {
        whole: Arc::clone(app),
        small: small.into(),
        ours: ours(64 * 1024),
        ours_small: ours(SMALL_BODY),
    };
    CLASSES.iter().flat_map(|class| class.routes(&apps, policy)).collect()
}

/// The same app, as the classes need it.
struct Apps {
    whole: Arc<App>,
    /// With small bodies only.
    small: Arc<App>,
    /// Answered by the portal.
    ours: Arc<App>,
    ours_small: Arc<App>,
}

impl Class {
    fn routes(&self, apps: &Apps, policy: &Policy) -> Vec<Route> {
        let made = self.rule.under(policy);
        let app = match (made.ours, self.small) {
            (false, false) => &apps.whole,
            (false, true) => &apps.small,
            (true, false) => &apps.ours,
            (true, true) => &apps.ours_small,
        };
        let name: Arc<str> = format!("{}.{}", apps.whole.name, self.name).into();
        let methods = self.methods.iter();
        let methods = methods.map(|name| Method::from_bytes(name.as_bytes()).expect("a method"));
        let methods: Vec<Method> = methods.collect();
        let limit = made.limit.or(self.limit).map(quota);
        self.patterns()
            .map(|path| Route {
                name: Arc::clone(&name),
                app: Arc::clone(app),
                path,
                methods: methods.clone(),
                access: made.access.clone(),
                accept: made.accept,
                from: made.from.clone(),
                deny: vec![],
                rate_limit: Some(limit.unwrap_or(policy.rate_limit)),
                federation: self.rule == Rule::Federation,
                manner: Manner {
                    closed: made.closed,
                    for_programs: self.for_programs,
                    own_limit_only: true,
                    sized_uploads: policy.sized_uploads && self.uploads,
                },
            })
            .collect()
    }

    /// Its paths, each as often as it is written.
    ///
    /// # Panics
    ///
    /// Never, as [`routes`].
    pub fn patterns(&self) -> impl Iterator<Item = PathPattern> {
        let both = self.paths.iter().flat_map(|path| match path.strip_prefix("[/index.php]") {
            Some(rest) => vec![rest.to_owned(), format!("/index.php{rest}")],
            None => vec![(*path).to_owned()],
        });
        both.map(|path| path.parse().expect("a path pattern"))
    }
}

/// What a rule comes to.
struct Made {
    access: AccessRule,
    accept: Accept,
    from: Vec<IpNet>,
    closed: bool,
    ours: bool,
    /// In place of the class's.
    limit: Option<(u32, Duration)>,
}

impl Made {
    fn of(access: AccessRule, accept: Accept) -> Self {
        Self { access, accept, from: vec![], closed: false, ours: false, limit: None }
    }

    /// Anybody.
    fn public() -> Self {
        Self::of(AccessRule::Public, Accept::default())
    }

    /// Anybody, known by what it shows of what is taken.
    fn known(accept: Accept) -> Self {
        Self::of(AccessRule::Public, Accept { optional: true, ..accept })
    }

    /// Nobody.
    fn closed() -> Self {
        Self { closed: true, ..Self::public() }
    }

    /// Whoever is signed in with a browser.
    fn session() -> Self {
        Self::of(signed_in(), Accept::default())
    }

    /// Whoever comes from there, or nobody when that is nowhere. What it shows, the app judges.
    fn callback(from: &[IpNet]) -> Self {
        if from.is_empty() {
            return Self::closed();
        }
        Self { from: from.to_vec(), ..Self::of(AccessRule::Public, passing()) }
    }
}

impl Rule {
    fn under(self, policy: &Policy) -> Made {
        let programs = Accept {
            session: true,
            api_token: false,
            device: true,
            upstream: policy.pass_through,
            optional: false,
        };
        let own_page = AccessRule::SignedIn {
            permissions: vec![],
            roles: vec![],
            scopes: vec![],
            second_factor: policy.login_flow_second_factor,
        };
        match self {
            Self::Anybody => Made::public(),
            Self::Ours => Made { ours: true, ..Made::public() },
            Self::Known => Made::known(programs),
            Self::LoginFlow => Made { ours: policy.own_login_flow, ..Made::public() },
            Self::LoginFlowPage if policy.own_login_flow => {
                Made { ours: true, ..Made::of(own_page, Accept::default()) }
            }
            Self::Session | Self::LoginFlowPage => Made::session(),
            Self::OldLoginFlow if policy.pass_through => Made::session(),
            Self::OwnCredentials if policy.pass_through => Made::known(passing()),
            Self::Never | Self::OldLoginFlow | Self::OwnCredentials => Made::closed(),
            Self::SharePassword | Self::Share => self.share(policy.public_shares),
            Self::Federation => match &policy.federation {
                Some(from) => Made { from: from.clone(), ..Made::known(passing()) },
                None => Made::closed(),
            },
            Self::Office => Made::callback(&policy.office),
            Self::TalkBackend => Made::callback(&policy.talk),
            Self::TalkGuests if policy.talk_guests => Made::known(programs),
            Self::Push if policy.push_open => Made::known(programs),
            Self::Sync | Self::TalkGuests | Self::Push => Made::of(signed_in(), programs),
            Self::Admin => Made {
                from: policy.admin_from.clone(),
                ..Made::of(policy.admin.clone(), Accept::default())
            },
        }
    }

    fn share(self, shares: PublicShares) -> Made {
        let anybody = Accept {
            session: true,
            api_token: false,
            device: true,
            upstream: true,
            optional: true,
        };
        match shares {
            PublicShares::Closed => Made::session(),
            PublicShares::Limited if self == Self::Share => {
                let limit = Some((120, Duration::from_mins(1)));
                Made { limit, ..Made::known(anybody) }
            }
            PublicShares::Limited | PublicShares::Open => Made::known(anybody),
        }
    }
}

fn signed_in() -> AccessRule {
    AccessRule::SignedIn { permissions: vec![], roles: vec![], scopes: vec![], second_factor: None }
}

/// Nothing of ours is looked at.
fn passing() -> Accept {
    Accept { session: false, api_token: false, device: false, upstream: true, optional: true }
}

fn quota((limit, window): (u32, Duration)) -> Allowance {
    let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
    Allowance::Limited(Quota::new(limit, window))
}

#[cfg(test)]
mod tests;
