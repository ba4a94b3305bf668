//! The traffic model that gate and upstream share: what to match, what to demand, where to send.
//!
//! [`Table`] finds the [`Route`] of a request: by host, then the first match in the order written.
//! An [`App`] holds what its routes have in common. Everything here is compiled from `config.yaml`,
//! immutable, and swapped whole by a reload.

mod access;
mod app;
#[cfg(any(test, feature = "examples"))]
mod example;
mod header_preset;
mod index;
pub mod nextcloud;
mod pattern;
mod table;

pub use access::{Accept, AccessRule, Manner};
pub use app::{
    App, BodyRules, CorsPolicy, Destination, HeaderPreset, IdentityHeaders, IdentityMode,
    JsonRules, SecurityHeaders, TargetProfile,
};
pub use pattern::{HostPattern, ParsePatternError, PathPattern};
pub use table::{Route, Table};
