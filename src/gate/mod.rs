//! 3. May this request pass? The ordered policy stages.

mod refusal;
mod verdict;

pub use refusal::{Problem, Refusal};
pub use verdict::{Admission, Answer, Budget, Caller, CorsGrant, Dress, Permit, Verdict};
