//! A puzzle before a public form: whoever sends many forms pays with computing time, and people notice next to nothing.
//!
//! A puzzle is a text that we signed, good for ten minutes and once. It is solved by any text for which
//! SHA-256(puzzle `:` solution) begins with as many zero bits as were asked for: 2^bits tries on average, and one hash
//! to check. Nothing is kept until one is solved.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};

use super::{Identity, Purpose, RefreshKey, SecretDigest, StoreError, random};
use crate::clock::Timestamp;

/// How long a puzzle can be solved.
const GOOD_FOR: Duration = Duration::from_mins(10);

/// Longer solutions are none: our script counts.
const SOLUTION_MAX: usize = 64;

/// Puzzles need their own signatures.
const DOMAIN: &str = "proof of work";

/// What is asked before a form is taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Puzzle {
    /// The text to begin with.
    pub text: String,
    /// How many zero bits the hash must begin with.
    pub bits: u8,
    /// Until when it is good.
    pub until: Timestamp,
}

/// Why a form is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unsolved {
    /// No puzzle of ours was solved, or it was too long ago, or it was used before.
    #[error("the puzzle is not solved")]
    Unsolved,
    /// Whether it was used before cannot be said.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// A fresh puzzle, when the configuration asks for one.
    pub fn puzzle(&self) -> Option<Puzzle> {
        let bits = self.settings().proof_of_work?;
        let until = self.clock.now() + GOOD_FOR;
        Some(Puzzle { text: signed(&self.refresh_key, until), bits, until })
    }

    /// Takes a solution, once.
    ///
    /// # Errors
    ///
    /// [`Unsolved`]. Never when the configuration asks for no puzzles.
    pub async fn take_solution(&self, puzzle: &str, solution: &str) -> Result<(), Unsolved> {
        let Some(bits) = self.settings().proof_of_work else { return Ok(()) };
        let now = self.clock.now();
        let until = until_of(&self.refresh_key, puzzle).ok_or(Unsolved::Unsolved)?;
        if until <= now || !is_solution(puzzle, solution, bits) {
            return Err(Unsolved::Unsolved);
        }
        let key = SecretDigest::of(puzzle, Purpose::Puzzle);
        let first = self.records.handshakes.claim(key, until, now).await?;
        if first { Ok(()) } else { Err(Unsolved::Unsolved) }
    }
}

/// `until.random.signature`.
fn signed(key: &RefreshKey, until: Timestamp) -> String {
    let random: [u8; 16] = random::bytes();
    let said = format!("{}.{}", until.as_millis(), URL_SAFE_NO_PAD.encode(random));
    let signature = hmac::sign(&key.for_hmac(), format!("{DOMAIN}\0{said}").as_bytes());
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Until when a puzzle is good, if it is one of ours.
fn until_of(key: &RefreshKey, puzzle: &str) -> Option<Timestamp> {
    let (said, signature) = puzzle.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    hmac::verify(&key.for_hmac(), format!("{DOMAIN}\0{said}").as_bytes(), &signature).ok()?;
    let (until, _) = said.split_once('.')?;
    until.parse().ok().map(Timestamp::from_millis)
}

/// Whether `solution` solves `puzzle`. Pure.
fn is_solution(puzzle: &str, solution: &str, bits: u8) -> bool {
    if solution.len() > SOLUTION_MAX {
        return false;
    }
    let hash = digest::digest(&digest::SHA256, format!("{puzzle}:{solution}").as_bytes());
    let mut zeros = 0;
    for byte in hash.as_ref() {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNTIL: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn counting_finds_a_solution_and_fewer_bits_are_not_enough() {
        let puzzle = signed(&RefreshKey::generate(), UNTIL);
        let solution = (0..u32::MAX).find(|n| is_solution(&puzzle, &n.to_string(), 10));
        let solution = solution.expect("about a thousand tries").to_string();
        assert!(is_solution(&puzzle, &solution, 9));
        assert!(!is_solution(&puzzle, &solution, 60));
        assert!(!is_solution(&puzzle, &"0".repeat(65), 0), "longer than our script ever says");
    }

    #[test]
    fn the_script_and_we_hash_the_same() {
        // SHA-256("puzzle:1") begins with 2f, as sha256sum says: two zero bits.
        assert!(is_solution("puzzle", "1", 2));
        assert!(!is_solution("puzzle", "1", 3));
    }

    #[test]
    fn a_puzzle_is_ours_or_none() {
        let (ours, other) = (RefreshKey::generate(), RefreshKey::generate());
        let puzzle = signed(&ours, UNTIL);
        assert_eq!(until_of(&ours, &puzzle), Some(UNTIL));
        assert_eq!(until_of(&other, &puzzle), None);
        let longer = puzzle.replacen("18", "19", 1);
        assert_eq!(until_of(&ours, &longer), None, "nobody prolongs it");
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_puzzle(text in ".{0,80}") {
            prop_assert_eq!(until_of(&RefreshKey::generate(), &text), None);
        }
    }
}
