//! CBOR as authenticators write it (CTAP2 canonical form, FIDO CTAP 2.1 §8), read strictly.
//!
//! Refused: indefinite lengths, tags, floats, duplicate keys, bytes behind the end, deep nesting. Nothing is allocated
//! because of a length that is only claimed. The order of keys and the shortest spelling of a length are not asked for:
//! signatures are over the bytes as they came, so nothing rests on there being one spelling only, and password managers
//! are not exact about it.

use minicbor::Decoder;
use minicbor::data::Type;

/// One item, borrowed from what it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'b> {
    Array(Vec<Item<'b>>),
    Bool(bool),
    Bytes(&'b [u8]),
    Integer(i64),
    Map(Map<'b>),
    Null,
    Text(&'b str),
}

/// A map without duplicate keys, in the order of its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Map<'b>(Vec<(Item<'b>, Item<'b>)>);

/// The bytes are not CBOR that we read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotCbor;

/// How deep items may lie in items. A compound attestation statement has five levels.
const MAX_DEPTH: usize = 8;

/// How many entries a map may have. Looking for duplicates is quadratic.
const MAX_ENTRIES: u64 = 32;

impl<'b> Map<'b> {
    /// Reads bytes that are one map and nothing else.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, NotCbor> {
        match Self::read_first(bytes)? {
            (map, []) => Ok(map),
            _ => Err(NotCbor),
        }
    }

    /// Reads a map that bytes begin with; returns the bytes behind it, too.
    pub(super) fn read_first(bytes: &'b [u8]) -> Result<(Self, &'b [u8]), NotCbor> {
        let mut decoder = Decoder::new(bytes);
        let Item::Map(map) = item(&mut decoder, MAX_DEPTH)? else { return Err(NotCbor) };
        Ok((map, bytes.get(decoder.position()..).ok_or(NotCbor)?))
    }

    /// The value of a key that is a text.
    pub(super) fn get(&self, key: &str) -> Option<&Item<'b>> {
        self.find(&Item::Text(key))
    }

    /// The value of a key that is a number, as in COSE.
    pub(super) fn get_label(&self, label: i64) -> Option<&Item<'b>> {
        self.find(&Item::Integer(label))
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn find(&self, key: &Item<'_>) -> Option<&Item<'b>> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }
}

fn item<'b>(decoder: &mut Decoder<'b>, depth: usize) -> Result<Item<'b>, NotCbor> {
    let depth = depth.checked_sub(1).ok_or(NotCbor)?;
    Ok(match decoder.datatype()? {
        Type::Bool => Item::Bool(decoder.bool()?),
        Type::Bytes => Item::Bytes(decoder.bytes()?),
        Type::Null => {
            decoder.null()?;
            Item::Null
        }
        Type::String => Item::Text(decoder.str()?),
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64 => Item::Integer(decoder.i64()?),
        Type::Array => {
            let mut items = Vec::new();
            for _ in 0..decoder.array()?.ok_or(NotCbor)? {
                items.push(item(decoder, depth)?);
            }
            Item::Array(items)
        }
        Type::Map => {
            let length = decoder.map()?.filter(|length| *length <= MAX_ENTRIES).ok_or(NotCbor)?;
            let mut entries: Vec<(Item<'b>, Item<'b>)> = Vec::new();
            for _ in 0..length {
                let key = item(decoder, depth)?;
                if entries.iter().any(|(known, _)| *known == key) {
                    return Err(NotCbor);
                }
                entries.push((key, item(decoder, depth)?));
            }
            Item::Map(Map(entries))
        }
        _ => return Err(NotCbor),
    })
}

impl From<minicbor::decode::Error> for NotCbor {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_map_is_read_and_what_lies_behind_it_returned() {
        // {1: 2, -7: h'0102', "a": [true, null]}, then two bytes.
        let bytes = *b"\xa3\x01\x02\x26\x42\x01\x02\x61a\x82\xf5\xf6\x00\x01";
        let (map, rest) = Map::read_first(&bytes).expect("a map");
        assert_eq!(rest, [0, 1]);
        assert_eq!(map.len(), 3);
        assert_eq!(map.get_label(1), Some(&Item::Integer(2)));
        assert_eq!(map.get_label(-7), Some(&Item::Bytes(&[1, 2])));
        assert_eq!(map.get("a"), Some(&Item::Array(vec![Item::Bool(true), Item::Null])));
        assert_eq!(map.get("b"), None);
        assert_eq!(Map::read(&bytes), Err(NotCbor), "bytes behind the end");
    }

    #[test]
    fn what_a_canonical_writer_never_writes_is_refused() {
        let deep = [[0xa1, 0x01].repeat(8), vec![0x00]].concat();
        let wide =
            [&[0xb8, 33][..], &(0..33).flat_map(|key| [0x18, key + 24, 0]).collect::<Vec<_>>()];
        let wide = wide.concat();
        let rows: [(&str, &[u8]); 15] = [
            ("nothing", b""),
            ("not a map", b"\x00"),
            ("an array", b"\x80"),
            ("a duplicate number", b"\xa2\x01\x00\x01\x00"),
            ("a duplicate number, spelled longer", b"\xa2\x01\x00\x18\x01\x00"),
            ("a duplicate text", b"\xa2\x61a\x00\x61a\x00"),
            ("a duplicate further in", b"\xa1\x01\xa2\x01\x00\x01\x00"),
            ("an indefinite map", b"\xbf\xff"),
            ("an indefinite text", b"\xa1\x01\x7f\x61a\xff"),
            ("a tag", b"\xa1\x01\xc0\x00"),
            ("a float", b"\xa1\x01\xf9\x00\x00"),
            ("text that is not UTF-8", b"\xa1\x01\x61\xff"),
            ("a length beyond the end", b"\xa1\x01\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
            ("deep nesting", &deep),
            ("many entries", &wide),
        ];
        for (what, bytes) in rows {
            assert_eq!(Map::read(bytes), Err(NotCbor), "{what}");
        }
    }

    proptest! {
        #[test]
        fn reading_anything_never_panics(bytes: Vec<u8>) {
            let _ = Map::read(&bytes);
            let _ = Map::read(&[&[0xa8][..], &bytes].concat());
        }
    }
}
