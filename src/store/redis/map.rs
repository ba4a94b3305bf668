//! Which server has which keys: one has all, or those of a cluster have ranges of slots.

use std::sync::Arc;

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::call::Call;
use super::connect::Place;
use super::outage::Outage;
use super::slot::LAST;
use super::wire::Wire;
use crate::config::HostAndPort;

/// Who is asked what.
pub(super) struct Map {
    /// By their slots.
    shares: Vec<Share>,
    /// Every server once, those without slots too.
    wires: Vec<Arc<Wire>>,
}

struct Share {
    range: Range,
    wire: Arc<Wire>,
}

/// Slots, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Range {
    first: u16,
    last: u16,
}

/// What a cluster says: who is the master of which slots.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Masters(Vec<(Range, HostAndPort)>);

impl Map {
    /// One server has everything.
    pub(super) fn whole(wire: Arc<Wire>) -> Self {
        let range = Range { first: 0, last: LAST };
        Self { shares: vec![Share { range, wire: Arc::clone(&wire) }], wires: vec![wire] }
    }

    /// What becomes of it by what a cluster says. `strangers` have no slots yet and are talked of.
    pub(super) fn redrawn(
        &self,
        masters: &Masters,
        strangers: &[HostAndPort],
        new: impl Fn(HostAndPort) -> Arc<Wire>,
    ) -> Self {
        let mut wires: Vec<Arc<Wire>> = Vec::new();
        let mut wire_at = |at: &HostAndPort| {
            let wire = find(&wires, at).or_else(|| self.at(at)).unwrap_or_else(|| new(at.clone()));
            if find(&wires, at).is_none() {
                wires.push(Arc::clone(&wire));
            }
            wire
        };
        let share = |(range, at): &(Range, HostAndPort)| Share { range: *range, wire: wire_at(at) };
        let mut shares: Vec<Share> = masters.0.iter().map(share).collect();
        shares.sort_unstable_by_key(|share| share.range.first);
        for stranger in strangers {
            wire_at(stranger);
        }
        Self { shares, wires }
    }

    /// Who has the key of `call`.
    pub(super) fn of(&self, call: &Call) -> Option<Arc<Wire>> {
        let share = match self.shares.as_slice() {
            [all] if all.range == (Range { first: 0, last: LAST }) => all,
            shares => {
                let slot = call.slot();
                let after = shares.partition_point(|share| share.range.first <= slot);
                let share = shares.get(after.checked_sub(1)?)?;
                if slot > share.range.last {
                    return None;
                }
                share
            }
        };
        Some(Arc::clone(&share.wire))
    }

    pub(super) fn at(&self, at: &HostAndPort) -> Option<Arc<Wire>> {
        find(&self.wires, at)
    }

    pub(super) fn wires(&self) -> &[Arc<Wire>] {
        &self.wires
    }

    /// Whether `wire` has any keys.
    pub(super) fn has_keys(&self, wire: &Arc<Wire>) -> bool {
        self.shares.iter().any(|share| Arc::ptr_eq(&share.wire, wire))
    }
}

fn find(wires: &[Arc<Wire>], at: &HostAndPort) -> Option<Arc<Wire>> {
    wires.iter().find(|wire| matches!(&wire.place, Place::At(place) if place == at)).cloned()
}

impl Masters {
    /// As the server at `host` sees them, unless it sees so few others that it would not serve.
    pub(super) async fn ask(wire: &MultiplexedConnection, host: &str) -> Result<Self, Outage> {
        let mut questions = redis::pipe();
        questions.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
        let answers = questions.query_async(&mut wire.clone()).await;
        let (info, slots): (String, Value) = answers.map_err(|error| Outage::from(&error))?;
        if !is_well(&info) {
            return Err(Outage::connection("the cluster is down"));
        }
        Self::read(&slots, host).ok_or(Outage::NONSENSE)
    }

    /// The answer to CLUSTER SLOTS. A server that does not know its own name is where it was asked.
    fn read(slots: &Value, asked: &str) -> Option<Self> {
        let Value::Array(slots) = slots else { return None };
        let number = |value: &Value| match value {
            Value::Int(number) => u16::try_from(*number).ok(),
            _ => None,
        };
        let read = |entry: &Value| {
            let Value::Array(entry) = entry else { return None };
            // Replicas may follow the master.
            let [first, last, Value::Array(master), ..] = entry.as_slice() else { return None };
            let [host, port, ..] = master.as_slice() else { return None };
            let host = match host {
                Value::BulkString(host) => std::str::from_utf8(host).ok()?,
                Value::Nil => "",
                _ => return None,
            };
            let host = if matches!(host, "" | "?") { asked } else { host };
            let range = Range { first: number(first)?, last: number(last)? };
            let is_range = range.first <= range.last && range.last <= LAST;
            is_range.then_some((range, HostAndPort { host: host.to_owned(), port: number(port)? }))
        };
        slots.iter().map(read).collect::<Option<Vec<_>>>().map(Self)
    }
}

/// Whether CLUSTER INFO says that keys are served.
pub(super) fn is_well(info: &str) -> bool {
    info.lines().any(|line| line.trim_end() == "cluster_state:ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn entry(first: i64, last: i64, host: Value, port: i64) -> Value {
        let server = |host, port| Value::Array(vec![host, Value::Int(port), bulk("id")]);
        let replica = server(bulk("replica"), 1);
        Value::Array(vec![Value::Int(first), Value::Int(last), server(host, port), replica])
    }

    #[test]
    fn masters_are_read_and_one_without_a_name_is_where_it_was_asked() {
        let answer =
            Value::Array(vec![entry(0, 5, bulk("one"), 7000), entry(6, 16383, Value::Nil, 7001)]);
        let at = |host: &str, port| HostAndPort { host: host.to_owned(), port };
        let expected = Masters(vec![
            (Range { first: 0, last: 5 }, at("one", 7000)),
            (Range { first: 6, last: LAST }, at("asked", 7001)),
        ]);
        assert_eq!(Masters::read(&answer, "asked"), Some(expected));
    }

    #[test]
    fn what_is_no_map_is_not_read() {
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![entry(0, 16384, bulk("one"), 1)]),
            Value::Array(vec![entry(5, 4, bulk("one"), 1)]),
            Value::Array(vec![entry(0, 4, bulk("one"), 65536)]),
            Value::Array(vec![entry(0, 4, Value::Int(1), 1)]),
        ] {
            assert_eq!(Masters::read(&answer, "asked"), None, "{answer:?}");
        }
    }
}
