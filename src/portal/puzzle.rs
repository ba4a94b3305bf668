//! `GET /auth/puzzle`: what a program solves before a public form, where the configuration asks for that.

use axum::Json as Answer;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::PortalState;

/// A puzzle: find a text of at most 64 characters, the solution, for which SHA-256 of the puzzle, a colon and the solution begins
/// with `bits` zero bits. Counting up from 0 does.
#[derive(JsonSchema, Serialize)]
pub(super) struct PuzzleView {
    /// Null when none is asked for.
    puzzle: Option<String>,
    bits: u8,
    /// Seconds.
    expires_in: u64,
}

pub(super) async fn handle(State(portal): State<PortalState>) -> Answer<PuzzleView> {
    let now = portal.clock.now();
    Answer(match portal.identity.puzzle() {
        Some(puzzle) => PuzzleView {
            puzzle: Some(puzzle.text),
            bits: puzzle.bits,
            expires_in: puzzle.until.since(now).as_secs(),
        },
        None => PuzzleView { puzzle: None, bits: 0, expires_in: 0 },
    })
}
