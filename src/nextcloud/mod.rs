//! Nextcloud as we call it ourselves: its provisioning API (OCS), and the worker that keeps our people there.
//!
//! | file | what it knows |
//! |---|---|
//! | `ocs` | the wire: envelopes, codes, escaping |
//! | `client` | one connection pool with the service account, which stops at the first refused password |
//! | `probe` | what this server and this account can do |
//! | `backend` | which calls a step is, by OCS or by `user_oidc` |
//! | `budget` | how many edits are left |
//! | `apply` | takes entries of the journal, compares, and does the steps |
//! | `survey` | compares everybody, and changes nothing |
//! | `doctor` | whether the set-up is right, for an operator |
//!
//! What is wanted and what is to be done is decided in [`crate::identity::provisioning`].

mod apply;
mod backend;
mod budget;
mod client;
pub mod doctor;
mod ocs;
mod probe;
mod survey;

pub use apply::{Nextcloud, Round, Worker};
pub use client::{ClientError, Trouble};
pub use probe::{Probe, Unfit};
pub use survey::{Difference, Kind, SurveyError, survey};
