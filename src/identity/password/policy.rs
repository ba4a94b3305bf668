//! What may be a password: long enough, and hard enough to guess. No composition rules (NIST SP 800-63B-4 §3.1.1.2).
//!
//! Common passwords, names, words, dates, keyboard runs and the person's own data are all zxcvbn's business: it
//! carries a list of the 30,000 most common passwords, compiled in, so nothing is looked up anywhere.

use super::{MAX_CHARS, Password, Rules};

/// Why a password is not accepted, in words for the person who chose it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Weakness {
    /// It can be guessed.
    #[error("this password is too easy to guess")]
    Guessable {
        /// What makes it so, when that is known.
        warning: Option<String>,
        /// What would help.
        suggestions: Vec<String>,
    },
    /// It has more than [`MAX_CHARS`] characters.
    #[error("a password has at most {MAX_CHARS} characters")]
    TooLong,
    /// It is too short.
    #[error("a password has at least {min_length} characters")]
    TooShort {
        /// Fewest characters.
        min_length: usize,
    },
}

/// Judges `password` of somebody about whom attackers know `context`: name, e-mail address.
///
/// Takes milliseconds: zxcvbn looks at up to 100 characters. Not for an async thread.
///
/// # Errors
///
/// The first [`Weakness`] found.
pub(super) fn check(password: &Password, context: &[&str], rules: Rules) -> Result<(), Weakness> {
    let text = password.expose();
    let chars = text.chars().count();
    if chars > MAX_CHARS {
        return Err(Weakness::TooLong);
    }
    if chars < rules.min_length {
        return Err(Weakness::TooShort { min_length: rules.min_length });
    }
    let inputs: Vec<&str> = context.iter().copied().flat_map(words).chain(PRODUCT).collect();
    let estimate = zxcvbn::zxcvbn(text, &inputs);
    // Its place in the list of common passwords is the number of guesses, so this is the list, whatever the score.
    let common = estimate.guesses() <= COMMON;
    if u8::from(estimate.score()) >= rules.min_score && !common {
        return Ok(());
    }
    let (warning, suggestions) = advice(&estimate);
    Err(Weakness::Guessable { warning, suggestions })
}

/// Passwords in the list of common ones that zxcvbn brings, by how often they were found in leaks.
const COMMON: u64 = 30_000;

/// How good a password is, for a meter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Strength {
    /// 0 to 100; 25 for each point of zxcvbn's score, finer between them.
    pub score: u8,
    /// Whether it would be accepted.
    pub accepted: bool,
    /// What is wrong with it, in a sentence.
    pub warning: Option<String>,
    /// What would make it better.
    pub suggestions: Vec<String>,
}

/// Measures `password`. Takes milliseconds, as [`check`] does.
pub(super) fn strength(password: &Password, rules: Rules) -> Strength {
    let text: String = password.expose().chars().take(MAX_CHARS).collect();
    let estimate = zxcvbn::zxcvbn(&text, &PRODUCT);
    // Score 4 begins at 10^10 guesses; 10^14 are more than enough.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first")]
    let score = (estimate.guesses_log10().clamp(0.0, 14.0) / 14.0 * 100.0) as u8;
    let (warning, suggestions) = advice(&estimate);
    let verdict = check(password, &[], rules);
    let warning = match &verdict {
        Err(short @ (Weakness::TooShort { .. } | Weakness::TooLong)) => Some(short.to_string()),
        _ => warning,
    };
    Strength { score, accepted: verdict.is_ok(), warning, suggestions }
}

fn advice(estimate: &zxcvbn::Entropy) -> (Option<String>, Vec<String>) {
    let feedback = estimate.feedback();
    let warning =
        feedback.and_then(zxcvbn::feedback::Feedback::warning).map(|text| text.to_string());
    let suggestions = feedback
        .map(|feedback| feedback.suggestions().iter().map(ToString::to_string).collect())
        .unwrap_or_default();
    (warning, suggestions)
}

/// Words that everybody knows about this place.
const PRODUCT: [&str; 2] = ["stormdoor", "nextcloud"];

/// `text` whole, and its parts of three characters or more.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|part: char| !part.is_alphanumeric());
    std::iter::once(text).chain(parts.filter(|part| part.len() >= 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        min_length: 12,
        min_score: 3,
        argon2_memory_kib: 64,
        argon2_passes: 1,
        argon2_lanes: 1,
        argon2_parallel: 1,
    };

    fn judge(text: &str) -> Result<(), Weakness> {
        let password = Password::new(text.to_owned()).expect("short enough to judge");
        check(&password, &["ada.lovelace@example.org", "Ada Lovelace"], RULES)
    }

    #[test]
    fn which_passwords_are_accepted() {
        let limit = "correct horse battery staple ".repeat(9)[..256].to_owned();
        for text in
            ["correct horse battery staple", "vK3#qzP9!mTw", "юрта-шесть-океан", limit.as_str()]
        {
            assert_eq!(judge(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn which_passwords_are_refused() {
        assert_eq!(judge("vK3#qzP9!mT"), Err(Weakness::TooShort { min_length: 12 }));
        assert_eq!(judge(&"vK3#qzP9".repeat(33)), Err(Weakness::TooLong));
        for text in [
            "passwordpassword",
            "password12345",
            "qwertyuiop123",
            "aaaaaaaaaaaaaaaa",
            "ada.lovelace@example.org",
            "lovelace1815!",
            "stormdoor1234",
            "iloveyou2024!",
        ] {
            assert!(matches!(judge(text), Err(Weakness::Guessable { .. })), "{text}");
        }
    }

    #[test]
    fn a_file_is_not_a_password() {
        assert!(Password::new("x".repeat(1024)).is_ok());
        assert!(Password::new("x".repeat(1025)).is_err());
    }
}
