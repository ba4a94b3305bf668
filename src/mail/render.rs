//! Words and templates → subject, text and HTML.
//!
//! Both parts come from the same words. HTML is escaped by the template engine, because of the name of the file.

use std::time::Duration;

use askama::Template;

use super::words::{self, Words};
use crate::identity::{Email, Letter};
use crate::secret::Secret;

/// A mail as a reader sees it. Its parts may hold links that open accounts.
#[derive(Debug)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// One line, without anything that somebody else said.
    pub subject: String,
    /// For every reader.
    pub text: Secret<String>,
    /// For readers of HTML.
    pub html: Secret<String>,
}

/// A template cannot be filled in.
#[derive(Debug, thiserror::Error)]
#[error("the mail cannot be rendered")]
pub struct RenderError(#[from] askama::Error);

#[derive(Template)]
#[template(path = "letter.txt")]
struct Text<'a> {
    words: &'a Words,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    words: &'a Words,
}

/// The mail that `letter` is, `age` after it was written, in the name of `service`.
///
/// # Errors
///
/// [`RenderError`], which trying again does not change.
pub fn render(letter: &Letter, age: Duration, service: &str) -> Result<Mail, RenderError> {
    form(&letter.to, words::of(letter, age, service))
}

/// A mail with which an operator sees whether mail works.
///
/// # Errors
///
/// [`RenderError`].
pub fn trial(to: &Email, service: &str) -> Result<Mail, RenderError> {
    form(to, words::of_trial(service))
}

fn form(to: &Email, words: Words) -> Result<Mail, RenderError> {
    let text = Secret::new(Text { words: &words }.render()?);
    let html = Secret::new(Html { words: &words }.render()?);
    Ok(Mail { to: to.clone(), subject: words.subject, text, html })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::letter::{LetterKind, SecondFactorChange};

    const HOUR: Duration = Duration::from_hours(1);

    fn rendered(name: Option<&str>, kind: LetterKind) -> Mail {
        let to = "ana@example.org".parse().expect("an address");
        let letter = Letter { to, name: name.map(str::to_owned), kind };
        render(&letter, Duration::ZERO, "login.example.org").expect("a mail")
    }

    fn link() -> Secret<String> {
        Secret::new("https://login.example.org/x?token=a&next=%2F".to_owned())
    }

    #[test]
    fn a_mail_reads_well_as_text() {
        let kind = LetterKind::ResetPassword { link: link(), valid_for: HOUR };
        let mail = rendered(Some("Ana"), kind);
        assert_eq!(mail.subject, "Choose a new password for login.example.org");
        assert_eq!(
            mail.text.expose(),
            "Hello Ana,\n\
             \n\
             Somebody, probably you, asked for a new password.\n\
             \n\
             The link works once, within 60 minutes.\n\
             \n\
             Choose a new password:\n\
             https://login.example.org/x?token=a&next=%2F\n\
             \n\
             If this was not you, ignore this mail; your password stays as it is.\n\
             \n\
             -- \n\
             This mail was sent by login.example.org. Answers to it are not read."
        );
    }

    #[test]
    fn facts_stand_in_lines_of_their_own() {
        let at = Timestamp::from_secs(1_800_000_000);
        let (device, address) = ("Firefox\nEvil: 1".to_owned(), "192.0.2.1".to_owned());
        let mail = rendered(None, LetterKind::NewSignIn { at, device, address });
        let facts =
            "\n\nWhen: 2027-01-15 08:00 UTC\nDevice: Firefox Evil: 1\nAddress: 192.0.2.1\n\n";
        assert!(mail.text.expose().contains(facts), "{}", mail.text.expose());
    }

    #[test]
    fn what_somebody_said_is_never_markup() {
        let evil = "<img src=x onerror=alert(1)>\"'";
        let invited_by = evil.to_owned();
        let kind = LetterKind::Invitation { link: link(), invited_by, valid_for: HOUR };
        let mail = rendered(Some(evil), kind);
        assert!(!mail.html.expose().contains("<img"), "{}", mail.html.expose());
        assert!(mail.html.expose().contains("token=a&#38;next="), "{}", mail.html.expose());
        assert!(mail.text.expose().contains(evil), "text is not escaped");
        assert!(!mail.subject.contains("img"), "nothing of it is in the subject");
    }

    #[test]
    fn every_kind_of_letter_has_words_and_its_links_in_both_parts() {
        let (sign_in, reset) = ("https://s.example".to_owned(), "https://r.example".to_owned());
        let address = "192.0.2.1".to_owned();
        let at = Timestamp::from_secs(1_800_000_000);
        let new = "new@example.org".parse().expect("an address");
        let opens = Some("token=a");
        let mut letters = vec![
            (LetterKind::AlreadyRegistered { sign_in: sign_in.clone(), reset }, Some("r.example")),
            (LetterKind::Approved { sign_in }, Some("s.example")),
            (LetterKind::AwaitingApproval, None),
            (LetterKind::ChangeEmail { link: link(), new, valid_for: HOUR }, opens),
            (
                LetterKind::EmailChanging {
                    new_masked: "n…@x".into(),
                    cancel: link(),
                    agree: None,
                },
                opens,
            ),
            (
                LetterKind::EmailChanging {
                    new_masked: "n…@x".into(),
                    cancel: Secret::new("https://c.example".to_owned()),
                    agree: Some(link()),
                },
                opens,
            ),
            (
                LetterKind::Invitation { link: link(), invited_by: "Bo".into(), valid_for: HOUR },
                opens,
            ),
            (LetterKind::Locked { until: at, address: address.clone() }, None),
            (LetterKind::NewSignIn { at, device: "Firefox".into(), address }, None),
            (LetterKind::PasswordChanged, None),
            (LetterKind::ResetPassword { link: link(), valid_for: HOUR }, opens),
            (LetterKind::VerifyEmail { link: link(), valid_for: HOUR }, opens),
        ];
        for what in [
            SecondFactorChange::Added,
            SecondFactorChange::RecoveryCodesRenewed,
            SecondFactorChange::Removed,
            SecondFactorChange::Reset,
        ] {
            letters.push((LetterKind::SecondFactorChanged { what }, None));
        }
        for (kind, link) in letters {
            let name = kind.name();
            let mail = rendered(Some("Ana"), kind);
            assert!(mail.subject.contains("login.example.org"), "{name}: {}", mail.subject);
            for part in [&mail.text, &mail.html] {
                let part = part.expose();
                assert!(part.contains("Hello Ana,"), "{name}: {part}");
                assert!(!part.contains("\n\n\n"), "{name}: {part}");
                assert!(link.is_none_or(|link| part.contains(link)), "{name}: {part}");
            }
        }
    }
}
