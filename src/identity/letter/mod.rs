//! Mails to people, as the domain means them: no SMTP, no markup, no wording. `mail` renders and sends them.
//!
//! A letter is written into the store in the transaction of its cause (an outbox) and sent later, as often as it takes:
//! [`Letters`] is that box, [`next_try`] is the patience.

mod stored;

use std::time::Duration;

use async_trait::async_trait;

use super::id::LetterId;
use super::{Email, StoreError};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// A mail to a person, as the domain means it. Rendered at sending.
#[derive(Clone, Debug)]
pub struct Letter {
    /// To whom.
    pub to: Email,
    /// How they are called, when they said so.
    pub name: Option<String>,
    /// What it says.
    pub kind: LetterKind,
}

/// What a letter says.
#[derive(Clone, Debug)]
pub enum LetterKind {
    /// Somebody registered with an address that has an account: sent instead of [`VerifyEmail`](Self::VerifyEmail), so
    /// that the page tells nobody who has one.
    AlreadyRegistered {
        /// Where to sign in.
        sign_in: String,
        /// Where to ask for a new password.
        reset: String,
    },
    /// An administrator let them in.
    Approved {
        /// Where to sign in.
        sign_in: String,
    },
    /// Their address is confirmed; an administrator must let them in.
    AwaitingApproval,
    /// Asks the new address whether it is theirs.
    ChangeEmail {
        /// Confirms it.
        link: Secret<String>,
        /// The new address.
        new: Email,
        /// How long the link is good.
        valid_for: Duration,
    },
    /// Tells the old address that another one is to take its place.
    EmailChanging {
        /// The new address, as much of it as may be shown.
        new_masked: String,
        /// Stops it.
        cancel: Secret<String>,
        /// Agrees to it, when the old address is asked.
        agree: Option<Secret<String>>,
    },
    /// Somebody who may do so invited them.
    Invitation {
        /// Accepts.
        link: Secret<String>,
        /// Who invited them, as they will know the person.
        invited_by: String,
        /// How long the link is good.
        valid_for: Duration,
    },
    /// Too many failures: the account refuses sign-ins for a while.
    Locked {
        /// Until when.
        until: Timestamp,
        /// Where the last failure came from.
        address: String,
    },
    /// Somebody signed in from a device that was not seen before.
    NewSignIn {
        /// When.
        at: Timestamp,
        /// What it says it is.
        device: String,
        /// From where.
        address: String,
    },
    /// The password is another one now.
    PasswordChanged,
    /// The way to a new password.
    ResetPassword {
        /// Leads to the form.
        link: Secret<String>,
        /// How long the link is good.
        valid_for: Duration,
    },
    /// The second factor is not what it was.
    SecondFactorChanged {
        /// In which way.
        what: SecondFactorChange,
    },
    /// Asks somebody who registered whether the address is theirs.
    VerifyEmail {
        /// Confirms it.
        link: Secret<String>,
        /// How long the link is good.
        valid_for: Duration,
    },
}

impl LetterKind {
    /// The name in the store, in logs and in metrics; never changed once released.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AlreadyRegistered { .. } => "already_registered",
            Self::Approved { .. } => "approved",
            Self::AwaitingApproval => "awaiting_approval",
            Self::ChangeEmail { .. } => "change_email",
            Self::EmailChanging { .. } => "email_changing",
            Self::Invitation { .. } => "invitation",
            Self::Locked { .. } => "locked",
            Self::NewSignIn { .. } => "new_sign_in",
            Self::PasswordChanged => "password_changed",
            Self::ResetPassword { .. } => "reset_password",
            Self::SecondFactorChanged { .. } => "second_factor_changed",
            Self::VerifyEmail { .. } => "verify_email",
        }
    }

    /// How long after it was written the letter is worth sending: not longer than its link is good.
    pub fn worth_for(&self) -> Duration {
        match self {
            Self::ChangeEmail { valid_for, .. }
            | Self::Invitation { valid_for, .. }
            | Self::ResetPassword { valid_for, .. }
            | Self::VerifyEmail { valid_for, .. } => PATIENCE.min(*valid_for),
            Self::AlreadyRegistered { .. }
            | Self::Approved { .. }
            | Self::AwaitingApproval
            | Self::EmailChanging { .. }
            | Self::Locked { .. }
            | Self::NewSignIn { .. }
            | Self::PasswordChanged
            | Self::SecondFactorChanged { .. } => PATIENCE,
        }
    }
}

/// In which way the second factor changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecondFactorChange {
    /// There is one now.
    Added,
    /// The recovery codes are other ones.
    RecoveryCodesRenewed,
    /// There is none now.
    Removed,
    /// An administrator removed it.
    Reset,
}

impl SecondFactorChange {
    /// The name in the store; never changed once released.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::Removed => "removed",
            Self::Reset => "reset",
        }
    }
}

/// A letter that somebody took out to send.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Which one.
    pub id: LetterId,
    /// What to send.
    pub letter: Letter,
    /// When it was written.
    pub queued_at: Timestamp,
    /// Which attempt this is, from 1. Attempts of a gateway that died meanwhile count too.
    pub attempt: u32,
}

/// The need for a box of letters that survives a restart.
///
/// The traits of other records write letters in their own transactions; [`put`](Self::put) is for those with no cause
/// in the store.
#[async_trait]
pub trait Letters: Send + Sync {
    /// Writes a letter, due at once.
    async fn put(&self, letter: &Letter, now: Timestamp) -> Result<(), StoreError>;

    /// Takes out what is due at `now`, the longest due first. Nobody else gets these letters until `lease` is over;
    /// after that, somebody does, because then the taker died.
    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        at_most: u32,
    ) -> Result<Vec<Queued>, StoreError>;

    /// It is sent. What it said is deleted.
    async fn sent(&self, id: LetterId) -> Result<(), StoreError>;

    /// It was not sent, because of `why`: due again at `next_try`, or given up, and then what it said is deleted.
    /// Nothing secret may be in `why`. A letter that was sent or given up stays so.
    async fn failed(
        &self,
        id: LetterId,
        next_try: Option<Timestamp>,
        why: &str,
    ) -> Result<(), StoreError>;

    /// How many letters wait to be sent, and when the oldest of them was written.
    async fn waiting(&self) -> Result<(u64, Option<Timestamp>), StoreError>;

    /// Returns once a letter was written in this process after the last return. For a box that cannot know, never:
    /// whoever waits looks from time to time anyway, for letters of other processes.
    async fn written(&self) {
        std::future::pending::<()>().await;
    }
}

/// How long anybody tries to send a letter.
pub const PATIENCE: Duration = Duration::from_hours(24);

/// When to try again after attempt number `attempt` (from 1) failed at `now`; never, when the letter is worth nothing by
/// then.
pub fn next_try(
    attempt: u32,
    now: Timestamp,
    queued_at: Timestamp,
    worth_for: Duration,
) -> Option<Timestamp> {
    const MINUTES: [u64; 6] = [1, 5, 15, 60, 4 * 60, 12 * 60];
    let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let minutes = MINUTES.get(step.min(MINUTES.len() - 1)).copied().unwrap_or(60);
    let next = now + Duration::from_mins(minutes);
    (next < queued_at + worth_for).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn the_pauses_between_attempts_grow_until_a_day_is_over() {
        let minutes = |count| Duration::from_mins(count);
        let mut now = WRITTEN;
        for (attempt, pause) in [(1, 1), (2, 5), (3, 15), (4, 60), (5, 240), (6, 720)] {
            let next = next_try(attempt, now, WRITTEN, PATIENCE).expect("another attempt");
            assert_eq!(next, now + minutes(pause), "after attempt {attempt}");
            now = next;
        }
        assert_eq!(next_try(7, now, WRITTEN, PATIENCE), None, "29 hours after it was written");
    }

    #[test]
    fn a_letter_is_tried_only_as_long_as_it_is_worth_something() {
        let minutes = |count| Duration::from_mins(count);
        for (attempt, elapsed, worth_for, next) in [
            (1, 0, 30, Some(1)),
            (3, 6, 30, Some(21)),
            (4, 21, 30, None),
            (1, 29, 30, None),
            (1, 28, 30, Some(29)),
            (1, 24 * 60 - 1, 24 * 60, None),
            (1, 24 * 60 - 2, 24 * 60, Some(24 * 60 - 1)),
            (0, 0, 30, Some(1)),
            (u32::MAX, 0, 24 * 60, Some(720)),
        ] {
            let found = next_try(attempt, WRITTEN + minutes(elapsed), WRITTEN, minutes(worth_for));
            let next = next.map(|next| WRITTEN + minutes(next));
            assert_eq!(found, next, "attempt {attempt} after {elapsed} of {worth_for} minutes");
        }
    }

    #[test]
    fn a_link_that_ends_earlier_ends_the_patience() {
        let link = || Secret::new("https://localhost/x".to_owned());
        let valid_for = Duration::from_mins(20);
        let short = LetterKind::ResetPassword { link: link(), valid_for };
        let long = LetterKind::Invitation {
            link: link(),
            invited_by: "Ana".into(),
            valid_for: 7 * PATIENCE,
        };
        assert_eq!(short.worth_for(), valid_for);
        assert_eq!(long.worth_for(), PATIENCE);
        assert_eq!(LetterKind::PasswordChanged.worth_for(), PATIENCE);
    }
}
