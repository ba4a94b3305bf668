//! The web pages: what people see of the portal. Rendered here, complete without scripts, but for passkeys and
//! puzzles: no browser offers the one or solves the other without one.
//!
//! A page works as an endpoint of the API does: it calls one use case of [`Identity`](crate::identity::Identity) and adds
//! no rule. `GET` shows and never changes anything, because scanners of mail follow links; `POST` acts and leads on with
//! 303, or shows the form again with what is wrong beside the field.
//!
//! | | |
//! |---|---|
//! | `pages` | the table of all of them |
//! | `visit` | what a page knows of a request, and how it answers |
//! | `sheet` | what can stand on a page; `templates/` and `style.css` are its looks |
//! | `words` | every sentence |
//! | `form_token` | that a form is one of ours |
//! | `onward` | where somebody was going |

mod account;
mod asset;
mod authenticator;
mod change_of_email;
mod client;
mod enrol;
mod error;
mod form_token;
pub(super) mod login_flow;
mod onward;
mod pages;
mod passkey;
mod password_reset;
mod second_factor;
mod setup;
mod sheet;
mod sign_in;
mod sign_out;
mod sign_up;
mod start;
mod step_up;
mod verify_email;
mod visit;
mod words;

pub(super) use asset::{PATH as ASSETS, asset};
pub(super) use client::{authorize, authorize_by_form, end_session, end_session_by_form};
pub use error::{HEADERS, error_page};
pub(super) use pages::{Page, all, either};
