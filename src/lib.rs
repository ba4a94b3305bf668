//! Stormdoor: the one door in front of Nextcloud and the apps beside it.
//!
//! The path of a request:
//!
//! ```text
//!  socket ─► edge ─► proxy (Pingora phases) ─► gate ─┬─► upstream   (Nextcloud, apps)
//!                                                    └─► portal     (our own auth API)
//!                     gate uses   identity, throttle, route        (domain: no SQL, no Pingora)
//!                     behind them store, federation, mail          (adapters: they talk, they do not decide)
//!                     beside all  observe                          (log, metrics, access log)
//! ```
//!
//! | Pingora phase | our call | yields |
//! |---|---|---|
//! | (before Pingora) | [`edge`] reads and checks the raw head | or 400 / 408 / 414 / 431 and close |
//! | `request_filter` | `edge.arrival(session)` | [`edge::Arrival`] |
//! | | `gate.decide(&arrival)` | [`gate::Verdict`] or [`gate::Refusal`] |
//! | `request_body_filter` | `exchange` body rules | or 413 / 422 |
//! | `upstream_peer` | `upstreams.choose(&admission)` | `HttpPeer` |
//! | `upstream_request_filter` | strip forged identity, add ours, rewrite | |
//! | downstream module | `seal` | every response, ours included |
//! | `fail_to_proxy` | pingora error → [`gate::Refusal`] | problem+json |
//! | `logging` | access log, metrics | |

// What an operator touches.
pub mod cli;
pub mod config;

// The path of a request, in the order it meets them.
pub mod edge;
pub mod gate;
pub mod portal;
pub mod proxy;
pub mod route;
pub mod upstream;

// The domain.
pub mod identity;
pub mod throttle;

// Adapters.
pub mod federation;
pub mod geoip;
pub mod mail;
pub mod nextcloud;
pub mod observe;
pub mod outbound;
pub mod store;

// Everywhere.
pub mod assembly;
pub mod clock;
pub mod secret;
