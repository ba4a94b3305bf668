//! What the gate decided, as values that prove it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::identity::{CloudId, Principal, SecretDigest};
use crate::route::Route;
use crate::throttle::Quota;

/// What happens to a request that was not refused.
#[derive(Debug)]
pub enum Verdict {
    /// We answer at once: a preflight.
    Answer(Answer),
    /// It goes to an upstream.
    Forward(Admission),
    /// Our own portal serves it.
    Serve(Admission),
}

/// A complete small answer of the gate's own.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers beside those that every response gets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Proof that a request passed every stage. Only the gate makes one.
#[derive(Clone, Debug)]
pub struct Admission {
    pub(super) route: Arc<Route>,
    pub(super) permit: Permit,
    pub(super) cloud_id: Option<CloudId>,
}

impl Admission {
    /// The route it was admitted to.
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// What the caller is called in Nextcloud, on a route of it, when it is to be told.
    pub fn cloud_id(&self) -> Option<&CloudId> {
        self.cloud_id.as_ref()
    }

    /// Who was admitted, and why.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }
}

/// Proof that a caller may use a route. Only the stage `authorization` makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    pub(super) caller: Caller,
}

impl Permit {
    /// Who may.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// Who is calling.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody we know: no credential, or a route that looks at none.
    Anonymous,
    /// The subject of a verified credential.
    Known(Arc<Principal>),
    /// Whoever the app knows by a credential of its own, which has this digest. Nobody to us.
    OfUpstream(SecretDigest),
}

impl Caller {
    /// Whom we know.
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        match self {
            Self::Known(principal) => Some(principal),
            Self::Anonymous | Self::OfUpstream(_) => None,
        }
    }
}

/// What a response to this request must be dressed with, known so far. Refusals are dressed too.
#[derive(Clone, Debug, Default)]
pub struct Dress {
    /// The route, once found: it names the header preset.
    pub route: Option<Arc<Route>>,
    /// CORS headers, when the origin is allowed.
    pub cors: Option<CorsGrant>,
    /// The tightest rate limit that was charged.
    pub budget: Option<Budget>,
    /// For the log: the subject of the verified credential.
    pub subject: Option<Arc<Principal>>,
}

impl Dress {
    /// Notes that `budget` was charged. The one with the smallest share left is told to the client, for that is the
    /// one it will meet first; of equals the later, more particular one.
    pub(super) fn note(&mut self, budget: Budget) {
        let tighter = self.budget.as_ref().is_none_or(|known| {
            // budget.remaining / budget.limit <= known.remaining / known.limit, without division.
            let share = |one: &Budget, other: &Budget| {
                u64::from(one.remaining) * u64::from(other.quota.limit())
            };
            share(&budget, known) <= share(known, &budget)
        });
        if tighter {
            self.budget = Some(budget);
        }
    }
}

/// The CORS answer to an allowed origin (Fetch standard §3.2.3).
#[derive(Clone, Debug)]
pub struct CorsGrant {
    /// `Access-Control-Allow-Origin`.
    pub origin: HeaderValue,
    /// Whether to send `Access-Control-Allow-Credentials: true`.
    pub credentials: bool,
    /// `Access-Control-Expose-Headers`.
    pub exposed_headers: HeaderValue,
}

/// What is left of a rate limit, for the response headers.
#[derive(Clone, Debug)]
pub struct Budget {
    /// The name of the policy.
    pub policy: Arc<str>,
    /// Its quota.
    pub quota: Quota,
    /// Units left.
    pub remaining: u32,
    /// Until the present window ends.
    pub reset_after: Duration,
}
