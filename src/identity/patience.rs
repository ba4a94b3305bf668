//! How long one request waits for the store in all: each of a dozen answers may come in time, and the last one too late.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

tokio::task_local! {
    /// What is left of it.
    static LEFT: Cell<Duration>;
}

/// Runs `request`, whose questions to the store may take `patience` in all. What else it waits for does not count.
pub async fn with_patience<F: Future>(patience: Duration, request: F) -> F::Output {
    LEFT.scope(Cell::new(patience), request).await
}

/// The answer to `question`.
///
/// # Errors
///
/// [`Elapsed`] when it takes longer than `most`, or than the patience that the request has left.
pub async fn in_time<T>(most: Duration, question: impl Future<Output = T>) -> Result<T, Elapsed> {
    let began = Instant::now();
    let left = LEFT.try_with(Cell::get).unwrap_or(most);
    let answer = timeout(most.min(left), question).await;
    let _nobodys_request =
        LEFT.try_with(|left| left.set(left.get().saturating_sub(began.elapsed())));
    answer
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_one_question_took_the_next_one_has_not() {
        let ask = |seconds: u32| in_time(12 * SECOND, sleep(seconds * SECOND));
        with_patience(5 * SECOND, async {
            ask(2).await.expect("3 s are left");
            sleep(60 * SECOND).await;
            ask(2).await.expect("1 s is left");
            ask(2).await.expect_err("too late");
            ask(1).await.expect_err("nothing is left");
        })
        .await;
        ask(11).await.expect("nobody's request");
        ask(13).await.expect_err("nothing waits for ever");
    }
}
