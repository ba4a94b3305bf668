//! Answers at even times, where the time alone could tell who has an account.
//!
//! Known and unknown names go the same way and cost a hash each, but not the same to the last microsecond: a row is read, a
//! letter is written. Whoever tries often enough could tell that from the mean. So such answers wait for the next
//! whole [`STEP`] since they began; what is left to see is only which step they fell into.

use std::time::Duration;

use tokio::time::{self, Instant};

/// Between two moments at which answers are given. Far more than names differ by, and less than anybody notices.
const STEP: Duration = Duration::from_millis(50);

/// Gives what `work` comes to, at a whole number of steps since it began.
///
/// Nothing is held meanwhile: what `work` borrowed from anybody else, such as its turn to hash, it has given back.
pub(super) async fn evenly<T>(work: impl Future<Output = T>) -> T {
    evenly_if(|_| true, work).await
}

/// As [`evenly`], for an error only: whoever was right waits for nothing.
pub(super) async fn refuse_evenly<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    evenly_if(Result::is_err, work).await
}

async fn evenly_if<T>(matters: impl Fn(&T) -> bool, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let answer = work.await;
    if matters(&answer) {
        time::sleep_until(begun + evened(begun.elapsed())).await;
    }
    answer
}

/// The whole steps that `took` is rounded up to.
fn evened(took: Duration) -> Duration {
    let steps = took.as_nanos().div_ceil(STEP.as_nanos()).max(1);
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_longer_goes_to_the_next_step() {
        let micros = Duration::from_micros;
        for (took, answered) in
            [(0, 50), (27_340, 50), (27_910, 50), (50_000, 50), (50_001, 100), (130_000, 150)]
        {
            assert_eq!(evened(micros(took)), Duration::from_millis(answered), "{took}");
        }
        assert_eq!(evened(Duration::MAX), STEP.saturating_mul(u32::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_its_step() {
        for (took, answered) in [(1, 50), (49, 50), (51, 100)] {
            let begun = Instant::now();
            evenly(time::sleep(Duration::from_millis(took))).await;
            assert_eq!(begun.elapsed(), Duration::from_millis(answered), "{took}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_was_right_does_not_wait() {
        let begun = Instant::now();
        for (answer, waited) in [(Ok(()), 0), (Err(()), 50)] {
            assert_eq!(refuse_evenly(async { answer }).await, answer);
            assert_eq!(begun.elapsed(), Duration::from_millis(waited));
        }
    }
}
