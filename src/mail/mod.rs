//! Mail: what the domain means as a [`Letter`](crate::identity::Letter) becomes text and HTML and leaves over SMTP.
//!
//! | file | |
//! |---|---|
//! | `words` | every sentence, in one place, ready for translation |
//! | `render` | words and templates → subject, text, HTML |
//! | `smtp` | one relay: [`Mailer`], and what it [refused](Refusal) |
//! | `worker` | takes due letters out of the store, sends them, writes down what came of it |
//!
//! Nothing here decides who gets a letter; that is `identity`, in the transaction of its cause.

mod render;
mod smtp;
mod words;
mod worker;

pub use render::{Mail, RenderError, render, trial};
pub use smtp::{Mailer, MailerError, Refusal};
pub use worker::Worker;
