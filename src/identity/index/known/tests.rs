//! Forgetting by the set against walking past everything.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::clock::Timestamp;
use crate::identity::Principal;

/// Everything is of a few, so that they meet.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A credential, of a user, with a session or a device.
    Load(u8, u8, Result<u8, u8>),
    /// One that is being loaded while something else is forgotten.
    LoadMeanwhile(u8, u8, Owner),
    Remove(u8),
    Forget(Owner),
    Clear,
}

fn id(number: u8) -> Uuid {
    Uuid::from_u128(number.into())
}

fn digest(number: u8) -> SecretDigest {
    SecretDigest::from_bytes([number; 32])
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        (0..12u8).prop_map(|number| Owner::Session(SessionId::from_uuid(id(number)))),
        (0..12u8).prop_map(|number| Owner::Device(DeviceId::from_uuid(id(number)))),
        (0..6u8).prop_map(|number| Owner::User(UserId::from_uuid(id(number)))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let held = prop_oneof![(0..12u8).prop_map(Ok), (0..12u8).prop_map(Err)];
    prop_oneof![
        6 => (any::<u8>(), 0..6u8, held).prop_map(|(n, user, held)| Step::Load(n, user, held)),
        1 => (any::<u8>(), 0..6u8, owner()).prop_map(|(n, user, o)| Step::LoadMeanwhile(n, user, o)),
        1 => any::<u8>().prop_map(Step::Remove),
        3 => owner().prop_map(Step::Forget),
        1 => Just(Step::Clear),
    ]
}

fn entry(user: u8, held: Result<u8, u8>) -> Arc<Entry> {
    let held = match held {
        Ok(session) => Held::Cookie {
            session: SessionId::from_uuid(id(session)),
            host: "example.org".into(),
            idle: Duration::from_hours(1),
        },
        Err(device) => Held::Device {
            device: DeviceId::from_uuid(id(device)),
            names: ["ana".into(), "ana@example.org".into()],
            unused: Duration::from_hours(1),
        },
    };
    let principal = Arc::new(Principal::example("ana"));
    Arc::new(Entry::new(principal, held, UserId::from_uuid(id(user)), Timestamp::from_secs(0)))
}

/// The simple walk, beside what is tested.
struct Both {
    known: Known,
    walked: HashMap<SecretDigest, Arc<Entry>>,
}

impl Both {
    async fn take(&mut self, step: Step) {
        match step {
            Step::Load(number, user, held) => {
                let fresh = entry(user, held);
                if let Err(place) = self.known.get_or_load(&digest(number)).await {
                    self.known.fill(place, digest(number).as_bytes(), &fresh);
                    self.walked.insert(digest(number), fresh);
                }
            }
            Step::LoadMeanwhile(number, user, gone) => {
                let Err(place) = self.known.get_or_load(&digest(number)).await else { return };
                self.known.forget(gone);
                self.walked.retain(|_, entry| !entry.owners().contains(&gone));
                self.known.fill(place, digest(number).as_bytes(), &entry(user, Ok(0)));
                assert!(self.known.get(&digest(number)).is_none(), "it may be what was forgotten");
                // Whatever was dropped here for want of room is not known any more.
                self.walked.remove(&digest(number));
            }
            Step::Remove(number) => {
                self.known.remove(&digest(number));
                self.walked.remove(&digest(number));
            }
            Step::Forget(gone) => {
                self.known.forget(gone);
                self.walked.retain(|_, entry| !entry.owners().contains(&gone));
            }
            Step::Clear => {
                self.known.clear();
                self.walked.clear();
            }
        }
    }

    /// The set says exactly whose the entries are.
    fn check_the_set(&self) {
        let mut expected = BTreeSet::new();
        for (digest, entry) in self.known.entries.iter() {
            expected.extend(entry.owners().map(|owner| (owner, *digest.as_bytes())));
        }
        assert_eq!(*self.known.owned(), expected);
    }
}

fn run(at_most: usize, steps: Vec<Step>, check: impl Fn(&Both)) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut both = Both { known: Known::new(at_most), walked: HashMap::new() };
        for step in steps {
            both.take(step).await;
            both.check_the_set();
            check(&both);
        }
    });
}

proptest! {
    #[test]
    fn forgetting_by_the_set_leaves_what_a_walk_leaves(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        run(10_000, steps, |both| {
            assert_eq!(both.known.entries.len(), both.walked.len());
            for (digest, walked) in &both.walked {
                let known = both.known.get(digest).expect("a walk leaves it");
                assert!(Arc::ptr_eq(&known, walked));
            }
        });
    }

    /// With room for few the cache drops some by itself; what is left is never what a walk would have removed.
    #[test]
    fn what_goes_for_want_of_room_goes_from_the_set_too(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        run(7, steps, |both| {
            for (digest, known) in both.known.entries.iter() {
                let walked = both.walked.get(&digest).expect("a walk leaves it");
                assert!(Arc::ptr_eq(&known, walked));
            }
        });
    }
}
