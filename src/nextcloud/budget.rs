//! How many edits of attributes are left: Nextcloud takes 50 in 10 minutes from one account, and refuses it more without
//! saying for how long.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// In which time they are counted, with a little to spare for clocks that differ.
const WINDOW: Duration = Duration::from_secs(605);

/// So many edits in every window, wherever it begins.
#[derive(Debug)]
pub(super) struct Budget {
    edits: usize,
    made: Mutex<VecDeque<Timestamp>>,
}

impl Budget {
    pub(super) fn new(edits: usize) -> Self {
        Self { edits: edits.max(1), made: Mutex::default() }
    }

    /// Counts what `before` took, too: Nextcloud does.
    pub(super) fn go_on_from(&self, before: &Self) {
        let made = before.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = made;
    }

    /// Takes one edit; or says when there is one.
    pub(super) fn take(&self, now: Timestamp) -> Result<(), Timestamp> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        while made.front().is_some_and(|first| *first + WINDOW <= now) {
            made.pop_front();
        }
        match made.front() {
            Some(first) if made.len() >= self.edits => Err(*first + WINDOW),
            _ => {
                made.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ten_minutes_hold_more_edits_than_allowed() {
        let budget = Budget::new(3);
        let begin = Timestamp::from_secs(1_800_000_000);
        let mut now = begin;
        let mut made = Vec::new();
        while made.len() < 20 {
            match budget.take(now) {
                Ok(()) => {
                    made.push(now);
                    now = now + Duration::from_secs(40);
                }
                Err(free) => {
                    assert!(free > now);
                    now = free;
                }
            }
        }
        for (third, fourth) in made.iter().zip(made.iter().skip(3)) {
            assert!(fourth.since(*third) > Duration::from_mins(10));
        }
    }
}
