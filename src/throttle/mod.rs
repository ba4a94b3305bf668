//! Quotas as arithmetic: how often somebody may do something.
//!
//! [`Quota`] and [`Allowance`] are what an operator writes (`100/min`, `unlimited`); [`window`] is the
//! whole rule, in integers and without a clock; [`Counters`] is the need that a store fulfils.
//! Nothing here knows HTTP, SQL or Redis.

mod counters;
mod key;
mod quota;
pub mod window;

pub use counters::{Counters, CountersUnavailable};
pub use key::{ClientNetwork, Key, Who};
pub use quota::{Allowance, ParseQuotaError, Quota};
pub use window::Spend;
