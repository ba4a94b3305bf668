//! Failed logins by client address (section 4.5): after ten, every Basic login from there is refused for half an hour.

use std::time::Duration;

use super::settings::Generation;
use super::visit::Visit;

/// How many failures an address may have.
const ALLOWED: usize = 10;
/// The window in which they count.
const WINDOW: i64 = 30 * 60;

pub(crate) fn register(visit: &Visit<'_>) {
    let now = visit.now();
    visit.inside.state().failures.entry(visit.client).or_default().push(now);
}

pub(crate) fn is_locked_out(visit: &Visit<'_>) -> bool {
    failures(visit) >= ALLOWED
}

/// The delay that anonymous capabilities tell: 100 ms doubling, 25 s at most.
pub(crate) fn delay_millis(visit: &Visit<'_>) -> u64 {
    let failures = u32::try_from(failures(visit)).unwrap_or(u32::MAX);
    match failures {
        0 => 0,
        1..=7 => 100 << failures,
        _ => 25_000,
    }
}

/// Generation 29 makes the failing client wait, if the settings want it so slow.
pub(crate) async fn sleep(visit: &Visit<'_>) {
    if visit.inside.settings.failures_sleep && visit.generation() == Generation::V29 {
        tokio::time::sleep(Duration::from_millis(delay_millis(visit))).await;
    }
}

fn failures(visit: &Visit<'_>) -> usize {
    let now = visit.now();
    let state = visit.inside.state();
    let times = state.failures.get(&visit.client);
    times.map_or(0, |times| times.iter().filter(|at| now - **at < WINDOW).count())
}
