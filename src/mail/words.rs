//! Every sentence of every mail. A translation is another function beside [`of`].
//!
//! What people or their programs said (names, devices) goes through [`quoted`] before it stands in a sentence.

use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::clock::Timestamp;
use crate::identity::letter::{Letter, LetterKind, SecondFactorChange};
use crate::secret::Secret;

/// What a mail says, before it has a form.
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) greeting: String,
    pub(super) paragraphs: Vec<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) actions: Vec<Action>,
    pub(super) closing: Vec<&'static str>,
    pub(super) footer: String,
}

/// Something to click.
pub(super) struct Action {
    pub(super) label: &'static str,
    pub(super) link: Secret<String>,
}

const IF_NOT_YOU: &str = "If this was not you, ignore this mail; nothing happens.";
const IF_NOT_YOU_ACT: &str =
    "If this was not you, change your password at once and tell your administrator.";

/// What `letter` says in English, `age` after it was written, in the name of `service`.
#[expect(clippy::too_many_lines, reason = "a table: one entry per kind of letter")]
pub(super) fn of(letter: &Letter, age: Duration, service: &str) -> Words {
    let words = |subject: &str, paragraphs: &[&str]| Words {
        subject: subject.to_owned(),
        greeting: greeting(letter.name.as_deref()),
        paragraphs: paragraphs.iter().map(|text| (*text).to_owned()).collect(),
        facts: vec![],
        actions: vec![],
        closing: vec![],
        footer: footer(service),
    };
    match &letter.kind {
        LetterKind::AlreadyRegistered { sign_in, reset } => words(
            &format!("You already have an account at {service}"),
            &["Somebody, probably you, wanted to register with this address. It has an account already."],
        )
        .action("Sign in", sign_in)
        .action("Choose a new password", reset)
        .closing(IF_NOT_YOU),
        LetterKind::Approved { sign_in } => words(
            &format!("Your account at {service} is ready"),
            &["An administrator approved your account. You can sign in now."],
        )
        .action("Sign in", sign_in),
        LetterKind::AwaitingApproval => words(
            &format!("Your account at {service} awaits approval"),
            &[
                "Your address is confirmed. An administrator looks at new accounts before they are opened.",
                "You get another mail when yours is.",
            ],
        ),
        LetterKind::ChangeEmail { link, new, valid_for } => words(
            &format!("Confirm your new address for {service}"),
            &[
                &format!("Confirm that {new} is to be the new address of your account."),
                &good_for(*valid_for, age),
            ],
        )
        .secret_action("Confirm the new address", link)
        .closing(IF_NOT_YOU),
        LetterKind::EmailChanging { new_masked, cancel, agree } => {
            let asked =
                format!("Somebody, probably you, asked for {} to be the new address.", quoted(new_masked));
            let subject = format!("The address of your account at {service} is about to change");
            let stop = "If it was not you, stop it and change your password.";
            let words = match agree {
                Some(agree) => {
                    let wait = "It changes only when you agree here, within an hour, and then confirm the mail \
                                that the new address gets.";
                    words(&subject, &[&asked, wait, stop]).secret_action("Agree to the change", agree)
                }
                None => words(&subject, &[&asked, stop]),
            };
            words.secret_action("Stop the change", cancel)
        }
        LetterKind::Invitation { link, invited_by, valid_for } => words(
            &format!("You are invited to {service}"),
            &[
                &format!("{} invited you to have an account at {service}.", quoted(invited_by)),
                &good_for(*valid_for, age),
            ],
        )
        .secret_action("Accept the invitation", link)
        .closing("If you do not know what this is about, ignore this mail; nothing happens."),
        LetterKind::Locked { until, address } => words(
            &format!("Too many failed sign-ins at {service}"),
            &[
                "Somebody tried to sign in to your account with wrong passwords. To be safe, it refuses sign-ins for a while.",
                "Sessions that are signed in go on.",
            ],
        )
        .fact("Locked until", &readable(*until))
        .fact("Last attempt from", address)
        .closing("If it was you, wait and try again. If not, make sure that your password is long and used nowhere else."),
        LetterKind::NewSignIn { at, device, address } => words(
            &format!("New sign-in at {service}"),
            &["Your account was used from a device that we have not seen before."],
        )
        .fact("When", &readable(*at))
        .fact("Device", device)
        .fact("Address", address)
        .closing("If it was you, there is nothing to do.")
        .closing(IF_NOT_YOU_ACT),
        LetterKind::PasswordChanged => words(
            &format!("Your password at {service} was changed"),
            &["The password of your account was changed."],
        )
        .closing(IF_NOT_YOU_ACT),
        LetterKind::ResetPassword { link, valid_for } => words(
            &format!("Choose a new password for {service}"),
            &[
                "Somebody, probably you, asked for a new password.",
                &good_for(*valid_for, age),
            ],
        )
        .secret_action("Choose a new password", link)
        .closing("If this was not you, ignore this mail; your password stays as it is."),
        LetterKind::SecondFactorChanged { what } => {
            let (subject, sentence) = second_factor(*what);
            words(&format!("{subject} at {service}"), &[sentence]).closing(IF_NOT_YOU_ACT)
        }
        LetterKind::VerifyEmail { link, valid_for } => words(
            &format!("Confirm your address for {service}"),
            &[
                "Confirm that this address is yours, and your account is open.",
                &good_for(*valid_for, age),
            ],
        )
        .secret_action("Confirm the address", link)
        .closing(IF_NOT_YOU),
    }
}

/// What a mail says that an operator sends to see whether mail works.
pub(super) fn of_trial(service: &str) -> Words {
    Words {
        subject: format!("Mail from {service} works"),
        greeting: greeting(None),
        paragraphs: vec![
            "An administrator sent this mail to see whether it arrives. It did.".into(),
        ],
        facts: vec![],
        actions: vec![],
        closing: vec![],
        footer: footer(service),
    }
}

fn second_factor(what: SecondFactorChange) -> (&'static str, &'static str) {
    match what {
        SecondFactorChange::Added => (
            "A second factor was added",
            "From now on, signing in to your account needs your second factor beside the password.",
        ),
        SecondFactorChange::RecoveryCodesRenewed => (
            "New recovery codes",
            "Your account has new recovery codes. The old ones are worth nothing now.",
        ),
        SecondFactorChange::Removed => (
            "Your second factor was removed",
            "From now on, the password alone is enough to sign in to your account.",
        ),
        SecondFactorChange::Reset => (
            "Your second factor was reset",
            "An administrator removed the second factor of your account. You can register another one after signing in.",
        ),
    }
}

fn greeting(name: Option<&str>) -> String {
    // A "name" that is an advertisement would be sent in our name to whatever address a stranger registers with.
    let is_link = |name: &String| {
        let name = name.to_ascii_lowercase();
        ["://", "www.", "@"].iter().any(|part| name.contains(part))
    };
    let name = name.map(quoted).filter(|name| !name.is_empty() && !is_link(name));
    name.map_or_else(|| "Hello,".to_owned(), |name| format!("Hello {name},"))
}

fn footer(service: &str) -> String {
    format!("This mail was sent by {service}. Answers to it are not read.")
}

fn good_for(valid_for: Duration, age: Duration) -> String {
    format!("The link works once, within {}.", span(remaining(valid_for, age)))
}

/// What is left of `valid_for`. A mail that leaves at once says what was meant, not one minute less.
fn remaining(valid_for: Duration, age: Duration) -> Duration {
    if age < Duration::from_mins(2) { valid_for } else { valid_for.saturating_sub(age) }
}

/// In the largest unit of which there are two at least, rounded down.
fn span(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match minutes {
        0 | 1 => "1 minute".to_owned(),
        2..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / (24 * 60)),
    }
}

fn readable(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let at = OffsetDateTime::from_unix_timestamp(at.as_secs()).ok();
    at.and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// What somebody else said, as one line of at most 100 characters: no line ends, nothing that turns the writing round.
fn quoted(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let one_line: String =
        text.chars().filter(|c| !turns(*c)).map(|c| if breaks(c) { ' ' } else { c }).collect();
    one_line.trim().chars().take(100).collect()
}

impl Words {
    fn action(self, label: &'static str, link: &str) -> Self {
        self.secret_action(label, &Secret::new(link.to_owned()))
    }

    fn secret_action(mut self, label: &'static str, link: &Secret<String>) -> Self {
        self.actions.push(Action { label, link: link.clone() });
        self
    }

    fn fact(mut self, what: &'static str, value: &str) -> Self {
        self.facts.push((what, quoted(value)));
        self
    }

    fn closing(mut self, sentence: &'static str) -> Self {
        self.closing.push(sentence);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_mail_says_how_long_its_link_still_works() {
        for (valid_for, age, said) in [
            (30, 0, "30 minutes"),
            (30, 1, "30 minutes"),
            (30, 21, "9 minutes"),
            (60, 0, "60 minutes"),
            (24 * 60, 0, "24 hours"),
            (24 * 60, 65, "22 hours"),
            (7 * 24 * 60, 0, "7 days"),
            (2, 5, "1 minute"),
        ] {
            let sentence = good_for(valid_for * MINUTE, age * MINUTE);
            assert_eq!(sentence, format!("The link works once, within {said}."));
        }
    }

    #[test]
    fn a_greeting_carries_a_name_but_neither_lines_nor_links() {
        for (name, said) in [
            (Some("Ana Ünal"), "Hello Ana Ünal,"),
            (Some("Ana\r\nBcc: everybody"), "Hello Ana  Bcc: everybody,"),
            (Some("Ana\u{202e}gnp.exe"), "Hello Anagnp.exe,"),
            (Some("Win now: HTTPS://evil.example"), "Hello,"),
            (Some("www.evil.example"), "Hello,"),
            (Some(" \t "), "Hello,"),
            (None, "Hello,"),
        ] {
            assert_eq!(greeting(name), said, "{name:?}");
        }
        assert_eq!(quoted(&"x".repeat(5000)).len(), 100);
    }

    #[test]
    fn instants_are_readable() {
        assert_eq!(readable(Timestamp::from_secs(1_800_000_000)), "2027-01-15 08:00 UTC");
        assert_eq!(readable(Timestamp::from_millis(i64::MAX)), "");
    }
}
