//! How passwords are kept: Argon2id (RFC 9106), computed off the async threads, few at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Password, PasswordHash, Rules, Weakness, policy};
use crate::identity::random;

/// Computes and checks password hashes.
///
/// Cheap to clone; clones share the queue. At most `argon2_parallel` hashes are computed at a time, and at most
/// [`Hasher::QUEUE`] wait: a flood of sign-ins costs bounded memory, and nothing else is slowed but sign-ins.
#[derive(Clone)]
pub struct Hasher {
    rules: Rules,
    argon2: Argon2<'static>,
    slots: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    decoy: PasswordHash,
    watch: Arc<dyn HashWatch>,
}

/// What passwords made of hashing: for metrics.
pub trait HashWatch: Send + Sync {
    /// The queue grew or shrank.
    fn waiting(&self, by: i64);
    /// A hash was computed.
    fn hashed(&self, took: Duration);
}

/// Nobody watches.
impl HashWatch for () {
    fn waiting(&self, _by: i64) {}
    fn hashed(&self, _took: Duration) {}
}

/// What checking a password found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verification {
    /// It is the password.
    Matches {
        /// The hash is of another kind, or made with other parameters, than new ones are.
        needs_rehash: bool,
    },
    /// It is not.
    Mismatch,
}

/// Too many hashes are waiting already. Trying again in a second or two may work.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

/// The parameters are outside what Argon2 allows (RFC 9106 §3.1).
#[derive(Clone, Debug, thiserror::Error)]
#[error("Argon2 parameters out of range: {0}")]
pub struct BadParameters(String);

impl Hasher {
    /// How many may wait.
    pub const QUEUE: usize = 64;

    /// A hasher by `rules`. Computes one hash at once, as decoy for names that nobody has: blocks for its time.
    ///
    /// # Errors
    ///
    /// [`BadParameters`] when Argon2 does not allow the parameters.
    pub fn new(rules: Rules, watch: Arc<dyn HashWatch>) -> Result<Self, BadParameters> {
        let params = Params::new(
            rules.argon2_memory_kib,
            rules.argon2_passes,
            rules.argon2_lanes,
            Some(Params::DEFAULT_OUTPUT_LEN),
        )
        .map_err(|error| BadParameters(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let unguessable = Password(crate::secret::Secret::new(hex(&random::bytes::<32>())));
        let decoy = hash(&argon2, &unguessable);
        let parallel = NonZeroUsize::new(rules.argon2_parallel).map_or(1, NonZeroUsize::get);
        Ok(Self {
            rules,
            argon2,
            slots: Arc::new(Semaphore::new(parallel)),
            waiting: Arc::default(),
            decoy,
            watch,
        })
    }

    /// The rules it works by.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The hash of `password`, if the policy accepts it for somebody known by `context`.
    ///
    /// # Errors
    ///
    /// [`Busy`] when too many are waiting.
    pub async fn accept(
        &self,
        password: Password,
        context: Vec<String>,
    ) -> Result<Result<PasswordHash, Weakness>, Busy> {
        let (argon2, rules, watch) = (self.argon2.clone(), self.rules, Arc::clone(&self.watch));
        self.in_a_slot(move || {
            let context: Vec<&str> = context.iter().map(String::as_str).collect();
            policy::check(&password, &context, rules)?;
            Ok(timed(&*watch, || hash(&argon2, &password)))
        })
        .await
    }

    /// How good `password` is. It takes a slot, because it takes milliseconds that anybody may ask for.
    ///
    /// # Errors
    ///
    /// [`Busy`] when too many are waiting.
    pub async fn strength(&self, password: Password) -> Result<policy::Strength, Busy> {
        let rules = self.rules;
        self.in_a_slot(move || policy::strength(&password, rules)).await
    }

    /// The hash of `password`, which was accepted before: for rehashing at sign-in.
    ///
    /// # Errors
    ///
    /// [`Busy`] when too many are waiting.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Busy> {
        let (argon2, watch) = (self.argon2.clone(), Arc::clone(&self.watch));
        self.in_a_slot(move || timed(&*watch, || hash(&argon2, &password))).await
    }

    /// Waits for a turn to check a password.
    ///
    /// # Errors
    ///
    /// [`Busy`] when too many are waiting.
    pub async fn turn(&self) -> Result<Turn, Busy> {
        self.slot().await.map(Arc::new).map(Turn)
    }

    /// Checks `password` against `stored`; without one, against the decoy, so that a name nobody has takes as
    /// long to refuse as a wrong password. The decoy matches nothing.
    ///
    /// # Errors
    ///
    /// [`Busy`] when the gateway ends meanwhile.
    pub async fn verify(
        &self,
        turn: &Turn,
        password: Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, Busy> {
        let (argon2, watch) = (self.argon2.clone(), Arc::clone(&self.watch));
        let against = stored.unwrap_or(&self.decoy).clone();
        let found = work_in(Arc::clone(&turn.0), move || {
            timed(&*watch, || verify(&argon2, &password, against.expose_for_store()))
        });
        found.await.map(|found| if stored.is_some() { found } else { Verification::Mismatch })
    }

    /// Runs `work` on a blocking thread when it is its turn.
    async fn in_a_slot<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        work_in(Arc::new(self.slot().await?), work).await
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, Busy> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        let _place = Place::take(self)?;
        Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Busy)
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The right to compute one hash now. The next in the queue has it once this is dropped and the hash is computed, so
/// little may be awaited while it is held.
pub struct Turn(Arc<OwnedSemaphorePermit>);

/// The slot goes with the work: a caller that goes away meanwhile does not free it early.
async fn work_in<T: Send + 'static>(
    slot: Arc<OwnedSemaphorePermit>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Busy> {
    let work = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        work()
    });
    // Only a panic in `work` or the end of the runtime stops it.
    work.await.map_err(|_| Busy)
}

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a Hasher);

impl<'a> Place<'a> {
    fn take(hasher: &'a Hasher) -> Result<Self, Busy> {
        let waiting = hasher.waiting.fetch_add(1, Ordering::SeqCst);
        hasher.watch.waiting(1);
        let place = Self(hasher);
        if waiting < Hasher::QUEUE { Ok(place) } else { Err(Busy) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        self.0.watch.waiting(-1);
    }
}

fn timed<T>(watch: &dyn HashWatch, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    watch.hashed(began.elapsed());
    done
}

fn hash(argon2: &Argon2<'_>, password: &Password) -> PasswordHash {
    let salt = SaltString::encode_b64(&random::bytes::<16>()).expect("16 bytes are a legal salt");
    let hash = argon2
        .hash_password(password.expose().as_bytes(), &salt)
        .expect("the parameters were checked, and a password of 1,024 bytes is legal");
    PasswordHash::from_text(hash.to_string())
}

fn verify(argon2: &Argon2<'_>, password: &Password, stored: &str) -> Verification {
    let is_bcrypt = is_bcrypt(stored);
    let matches = if is_bcrypt {
        // Bcrypt reads 72 bytes; whoever made the hash cut longer passwords off, so we must, too.
        bcrypt::verify(password.expose(), stored).unwrap_or(false)
    } else {
        password_hash::PasswordHash::new(stored)
            .is_ok_and(|hash| argon2.verify_password(password.expose().as_bytes(), &hash).is_ok())
    };
    if matches {
        Verification::Matches { needs_rehash: is_bcrypt || !made_like_ours(argon2, stored) }
    } else {
        Verification::Mismatch
    }
}

fn is_bcrypt(stored: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| stored.starts_with(prefix))
}

/// Why a hash of another program is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadHash {
    /// It would take too long, or too much memory, to check.
    #[error("the hash costs too much to check: {0}")]
    TooCostly(&'static str),
    /// It would take no effort to find the password from it.
    #[error("the hash protects nothing: {0}")]
    TooCheap(&'static str),
    /// It begins like one, and is none.
    #[error("the hash is damaged: {0}")]
    Damaged(&'static str),
    /// Another kind, or none.
    #[error(
        "not a hash of a kind that is taken: bcrypt ($2a$ $2b$ $2y$) or Argon2 ($argon2id$ $argon2i$ $argon2d$)"
    )]
    UnknownKind,
}

/// The bcrypt costs that are taken from elsewhere. One at the top takes a core for about four seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=16;

/// Most memory of an Argon2 hash from elsewhere, in KiB.
const FOREIGN_MEMORY_KIB: u32 = 1024 * 1024;

/// Most passes of one.
const FOREIGN_PASSES: u32 = 20;

/// Most lanes of one.
const FOREIGN_LANES: u32 = 16;

/// Whether a sign-in can be checked against `text`, which anybody may have written, at a bounded cost. What passes here
/// must not fail in [`verify`] for any other reason than another password.
pub(super) fn check_foreign(text: &str) -> Result<(), BadHash> {
    if is_bcrypt(text) {
        let parts = text.parse::<bcrypt::HashParts>();
        let parts = parts.map_err(|_| BadHash::Damaged("expected 60 characters of bcrypt"))?;
        return match parts.get_cost() {
            cost if BCRYPT_COSTS.contains(&cost) => Ok(()),
            0..4 => Err(BadHash::TooCheap("bcrypt with a cost below 4")),
            _ => Err(BadHash::TooCostly("bcrypt with a cost above 16")),
        };
    }
    if !text.starts_with("$argon2") {
        return Err(BadHash::UnknownKind);
    }
    let hash = password_hash::PasswordHash::new(text)
        .map_err(|_| BadHash::Damaged("expected $argon2id$v=19$m=..,t=..,p=..$salt$hash"))?;
    Algorithm::try_from(hash.algorithm).map_err(|_| BadHash::UnknownKind)?;
    // Without one it would be an old hash by the standard, and a new one for the library that checks it.
    let version = hash.version.ok_or(BadHash::Damaged("no version: expected v=19 or v=16"))?;
    Version::try_from(version).map_err(|_| BadHash::Damaged("expected v=19 or v=16"))?;
    if hash.params.get("keyid").is_some() {
        return Err(BadHash::Damaged("it needs a secret key (keyid)"));
    }
    // Left out, it would be our library's default.
    if ["m", "t", "p"].iter().any(|name| hash.params.get(*name).is_none()) {
        return Err(BadHash::Damaged("expected all of m, t and p"));
    }
    let cost = |name| hash.params.get_decimal(name).unwrap_or(u32::MAX);
    if cost("m") > FOREIGN_MEMORY_KIB {
        return Err(BadHash::TooCostly("Argon2 with more than 1 GiB of memory"));
    }
    if cost("t") > FOREIGN_PASSES {
        return Err(BadHash::TooCostly("Argon2 with more than 20 passes"));
    }
    if cost("p") > FOREIGN_LANES {
        return Err(BadHash::TooCostly("Argon2 with more than 16 lanes"));
    }
    Params::try_from(&hash)
        .map_err(|_| BadHash::Damaged("parameters that Argon2 does not allow"))?;
    let mut salt = [0; 64];
    let salt = hash.salt.and_then(|written| Some(written.decode_b64(&mut salt).ok()?.len()));
    if salt.is_none_or(|length| length < argon2::MIN_SALT_LEN) {
        return Err(BadHash::Damaged("expected a salt of at least 8 bytes"));
    }
    match hash.hash {
        None => Err(BadHash::Damaged("only a salt and no hash")),
        Some(hash) if hash.len() < SHORTEST_OUTPUT => {
            Err(BadHash::TooCheap("Argon2 with less than 16 bytes of hash"))
        }
        Some(_) => Ok(()),
    }
}

/// Of less, somebody could find *a* password that fits.
const SHORTEST_OUTPUT: usize = 16;

fn made_like_ours(argon2: &Argon2<'_>, stored: &str) -> bool {
    password_hash::PasswordHash::new(stored).is_ok_and(|hash| {
        let params = Params::try_from(&hash);
        hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && params.is_ok_and(|params| {
                let ours = argon2.params();
                (params.m_cost(), params.t_cost(), params.p_cost())
                    == (ours.m_cost(), ours.t_cost(), ours.p_cost())
            })
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(memory_kib: u32, parallel: usize) -> Rules {
        Rules {
            min_length: 12,
            min_score: 3,
            argon2_memory_kib: memory_kib,
            argon2_passes: 1,
            argon2_lanes: 1,
            argon2_parallel: parallel,
        }
    }

    fn hasher() -> Hasher {
        Hasher::new(rules(64, 2), Arc::new(())).expect("legal parameters")
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).expect("a short password")
    }

    async fn check(
        hasher: &Hasher,
        text: &str,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, Busy> {
        hasher.verify(&hasher.turn().await?, password(text), stored).await
    }

    #[tokio::test]
    async fn a_hash_matches_its_password_only() {
        let hasher = hasher();
        let hash = hasher.hash(password("correct horse")).await.expect("a free slot");
        assert!(hash.expose_for_store().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        let verify = async |text| check(&hasher, text, Some(&hash)).await;
        let fine = Ok(Verification::Matches { needs_rehash: false });
        assert_eq!(verify("correct horse").await, fine);
        assert_eq!(verify("correct horsf").await, Ok(Verification::Mismatch));
    }

    #[tokio::test]
    async fn nobody_has_the_decoys_password() {
        assert_eq!(check(&hasher(), "", None).await, Ok(Verification::Mismatch));
    }

    #[tokio::test]
    async fn hashes_of_other_kinds_and_parameters_match_and_want_rehashing() {
        let stronger = Hasher::new(rules(128, 1), Arc::new(())).expect("legal parameters");
        let old = hasher().hash(password("correct horse")).await.expect("a free slot");
        let bcrypt = bcrypt::hash("correct horse", 4).expect("a legal cost");
        let bcrypt_2y = bcrypt.replacen("$2b$", "$2y$", 1);
        for stored in [old.expose_for_store(), bcrypt.as_str(), bcrypt_2y.as_str()] {
            let stored = PasswordHash::from_text(stored.to_owned());
            let verify = async |text| check(&stronger, text, Some(&stored)).await;
            let stale = Ok(Verification::Matches { needs_rehash: true });
            assert_eq!(verify("correct horse").await, stale);
            assert_eq!(verify("wrong horse").await, Ok(Verification::Mismatch));
        }
    }

    #[tokio::test]
    async fn what_is_no_hash_matches_nothing() {
        for stored in ["", "$", "$2b$", "$argon2id$", "plain", "$5$rounds=5000$salt$hash"] {
            let stored = PasswordHash::from_text(stored.to_owned());
            let found = check(&hasher(), "plain", Some(&stored)).await;
            assert_eq!(found, Ok(Verification::Mismatch));
        }
    }

    /// Made by the reference implementation: `echo -n password | argon2 somesalt -id -v 13 -m 8 -t 2 -p 1`.
    const OUTSIDE: [&str; 3] = [
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ];

    #[tokio::test]
    async fn hashes_of_other_programs_are_taken_and_match() {
        let bcrypt = bcrypt::hash("password", 4).expect("a legal cost");
        let (a, y) = (bcrypt.replacen("$2b$", "$2a$", 1), bcrypt.replacen("$2b$", "$2y$", 1));
        for text in OUTSIDE.into_iter().chain([bcrypt.as_str(), a.as_str(), y.as_str()]) {
            let hash = PasswordHash::from_outside(text).expect(text);
            let found = check(&hasher(), "password", Some(&hash)).await;
            assert_eq!(found, Ok(Verification::Matches { needs_rehash: true }), "{text}");
        }
    }

    #[test]
    fn no_hash_from_outside_can_exhaust_us_or_protects_nobody() {
        let salted = |parameters: &str| {
            format!(
                "$argon2id$v=19${parameters}$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
            )
        };
        let bcrypt = |cost: &str| {
            format!("$2b${cost}$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
        };
        for fine in
            [salted("m=1048576,t=20,p=16"), salted("m=8,t=1,p=1"), bcrypt("04"), bcrypt("16")]
        {
            assert_eq!(check_foreign(&fine), Ok(()), "{fine}");
        }
        let refused = |text: &str| check_foreign(text).expect_err(text);
        for costly in [
            salted("m=1048577,t=1,p=1"),
            salted("m=4294967295,t=1,p=1"),
            salted("m=8,t=21,p=1"),
            salted("m=256,t=1,p=17"),
            bcrypt("17"),
            bcrypt("31"),
        ] {
            assert!(matches!(refused(&costly), BadHash::TooCostly(_)), "{costly}");
        }
        for cheap in ["$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uI", &bcrypt("03")] {
            assert!(matches!(refused(cheap), BadHash::TooCheap(_)), "{cheap}");
        }
        for damaged in [
            &bcrypt("4"),
            "$2b$10$",
            &bcrypt("10")[..59],
            "$argon2id$",
            "$argon2id$v=19$m=8,t=1,p=1",
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=8,t=1,p=1$c29tZQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=18$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            &salted("m=8,t=1"),
            &salted("m=8,t=0,p=1"),
            &salted("m=8,t=1,p=2"),
            &salted("m=8,t=1,p=1,x=1"),
            &salted("m=8,t=1,p=1,keyid=AAAA"),
        ] {
            assert!(
                matches!(refused(damaged), BadHash::Damaged(_)),
                "{damaged}: {}",
                refused(damaged)
            );
        }
        for unknown in ["", "plain", "$2x$10$", "$5$rounds=5000$salt$hash", "{SSHA}abc", "$argon3$"]
        {
            assert!(matches!(
                check_foreign(unknown),
                Err(BadHash::UnknownKind | BadHash::Damaged(_))
            ));
        }
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_told_so_at_once() {
        let hasher = hasher();
        let all = u32::try_from(hasher.slots.available_permits()).expect("few slots");
        let _held = hasher.slots.acquire_many(all).await.expect("all slots");
        let waiting: Vec<_> = (0..Hasher::QUEUE).map(|_| Place::take(&hasher)).collect();
        assert!(waiting.iter().all(Result::is_ok));
        assert_eq!(hasher.hash(password("correct horse")).await.err(), Some(Busy));
        drop(waiting);
        assert_eq!(hasher.waiting.load(Ordering::SeqCst), 0);
    }
}
