//! Where the body of an HTTP/1 request ends, followed byte by byte.
//!
//! Pingora reads the body; this only keeps it from being given a byte that is not of it, so that what a client sends
//! ahead is the beginning of its next head and nothing else. Chunks are held to RFC 9112 §7.1 to the letter: Pingora
//! ignores whatever stands in an extension, a bare line feed for instance, and reads an empty size as the last chunk.
//! Its upstreams never see the client's chunks, so that is no way to smuggle, but two readers must agree on the end.

use super::head::BodyFraming;

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Body {
    /// As many bytes.
    Length(u64),
    /// Chunks, from this place in them on.
    Chunked(Chunks),
}

/// A body that has no end that everybody would find.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed;

impl From<BodyFraming> for Body {
    fn from(framing: BodyFraming) -> Self {
        match framing {
            BodyFraming::Chunked => Self::Chunked(Chunks { at: Place::FirstDigit, ignored: 0 }),
            BodyFraming::Length(length) => Self::Length(length),
            BodyFraming::None => Self::Length(0),
        }
    }
}

impl Body {
    /// How many of `bytes`, which came next, are of the body; and whether the one behind them cannot be.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, Result<(), Malformed>) {
        match self {
            Self::Length(left) => {
                let taken = within(*left, bytes.len());
                *left -= taken as u64;
                (taken, Ok(()))
            }
            Self::Chunked(chunks) => chunks.take(bytes),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks { at: Place::End, .. }))
    }
}

fn within(left: u64, room: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(room)
}

/// A place in a chunked body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Chunks {
    at: Place,
    /// Bytes of extensions and trailers, which nobody reads.
    ignored: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    FirstDigit,
    Digit {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// Behind the last chunk: a trailer, or the empty line that ends the body.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// Enough for any size that can arrive, too few to overflow.
const MAX_DIGITS: u8 = 15;

/// Extensions and trailers of one body together. Without a limit, a client could send mostly those (RFC 9112 §7.1.1).
const MAX_IGNORED: usize = 8 * 1024;

impl Chunks {
    fn take(&mut self, bytes: &[u8]) -> (usize, Result<(), Malformed>) {
        let mut taken = 0;
        while let Some(byte) = bytes.get(taken) {
            if let Place::Data { left } = self.at {
                let data = within(left, bytes.len() - taken);
                taken += data;
                let left = left - data as u64;
                self.at = if left == 0 { Place::DataCr } else { Place::Data { left } };
                continue;
            }
            if self.at == Place::End {
                break;
            }
            match self.step(*byte) {
                Ok(next) => self.at = next,
                Err(malformed) => return (taken, Err(malformed)),
            }
            taken += 1;
        }
        (taken, Ok(()))
    }

    fn step(&mut self, byte: u8) -> Result<Place, Malformed> {
        Ok(match (self.at, byte) {
            (Place::FirstDigit, _) => Place::Digit { size: hex(byte)?, digits: 1 },
            (Place::Digit { size, .. } | Place::Extension { size }, b'\r') => {
                Place::SizeLf { size }
            }
            // No blank before it: some read the size on behind one.
            (Place::Digit { size, .. }, b';') => self.ignore(byte, Place::Extension { size })?,
            (Place::Digit { size, digits }, _) if digits < MAX_DIGITS => {
                Place::Digit { size: size << 4 | hex(byte)?, digits: digits + 1 }
            }
            (at @ Place::Extension { .. }, _) => self.ignore(byte, at)?,
            (Place::SizeLf { size: 0 } | Place::TrailerLf, b'\n') => Place::Line,
            (Place::SizeLf { size }, b'\n') => Place::Data { left: size },
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::FirstDigit,
            (Place::Line, b'\r') => Place::EndLf,
            (Place::EndLf, b'\n') => Place::End,
            (Place::Trailer, b'\r') => Place::TrailerLf,
            (Place::Line | Place::Trailer, _) => self.ignore(byte, Place::Trailer)?,
            _ => return Err(Malformed),
        })
    }

    fn ignore(&mut self, byte: u8, next: Place) -> Result<Place, Malformed> {
        self.ignored += 1;
        let is_text = byte == b'\t' || !byte.is_ascii_control();
        if is_text && self.ignored <= MAX_IGNORED { Ok(next) } else { Err(Malformed) }
    }
}

fn hex(byte: u8) -> Result<u64, Malformed> {
    char::from(byte).to_digit(16).map(u64::from).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are of the body; `None` when they are of none.
    fn end(text: &str) -> Option<usize> {
        let mut body = Body::from(BodyFraming::Chunked);
        let (taken, judged) = body.take(text.as_bytes());
        judged.ok().filter(|()| body.is_over()).map(|()| taken)
    }

    #[test]
    fn chunks_end_where_every_reader_finds_the_end() {
        for chunks in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n0\r\n\r\n",
            "a\r\n0123456789\r\n0\r\n\r\n",
            "005\r\nhello\r\n000\r\n\r\n",
            "5;name=value\r\nhello\r\n0;x=\"a b\"\r\n\r\n",
            "2\r\n\r\n\r\n0\r\n\r\n",
            "0\r\nX-Trailer: a\r\nY: b\r\n\r\n",
        ] {
            assert_eq!(end(&format!("{chunks}GET / HTTP/1.1")), Some(chunks.len()), "{chunks:?}");
        }
    }

    #[test]
    fn what_readers_of_chunks_disagree_about_is_refused() {
        for (case, chunks) in [
            ("a bare line feed behind the size", "5\nhello\r\n0\r\n\r\n"),
            ("a bare line feed in an extension", "5;a\nhello\r\n0\r\n\r\n"),
            ("a bare carriage return in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
            ("NUL in an extension", "5;a\0\r\nhello\r\n0\r\n\r\n"),
            ("nothing behind the data", "5\r\nhello0\r\n\r\n"),
            ("a bare line feed behind the data", "5\r\nhello\n0\r\n\r\n"),
            ("two bytes that are no line end", "5\r\nhelloxx0\r\n\r\n"),
            ("a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
            ("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
            ("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
            ("a blank before the size", " 5\r\nhello\r\n0\r\n\r\n"),
            ("a blank behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
            ("a blank in the size", "5 5\r\nhello\r\n0\r\n\r\n"),
            ("a blank before the extension", "5 ;a\r\nhello\r\n0\r\n\r\n"),
            ("no size", "\r\n\r\n"),
            ("no size but an extension", ";a\r\n\r\n"),
            ("a size that overflows", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
            ("a size with too many zeros", "0000000000000005\r\nhello\r\n0\r\n\r\n"),
            ("a bare line feed at the end", "0\r\n\n"),
            ("a bare line feed in a trailer", "0\r\nX: a\n\r\n"),
            ("NUL in a trailer", "0\r\nX: \0\r\n\r\n"),
        ] {
            assert_eq!(end(chunks), None, "{case}");
            let (_, judged) = Body::from(BodyFraming::Chunked).take(chunks.as_bytes());
            assert_eq!(judged, Err(Malformed), "{case}");
        }
        let long = "a".repeat(MAX_IGNORED + 1);
        assert_eq!(end(&format!("1;{long}\r\na\r\n0\r\n\r\n")), None);
        assert_eq!(end(&format!("0\r\nX: {long}\r\n\r\n")), None);
    }

    #[test]
    fn how_the_bytes_were_cut_does_not_matter() {
        let (chunks, next) = ("5;x\r\nhello\r\nf\r\n0123456789abcde\r\n0\r\nX: y\r\n\r\n", "GET /");
        let bytes = format!("{chunks}{next}");
        for size in 1..bytes.len() {
            let mut body = Body::from(BodyFraming::Chunked);
            let taken: usize = bytes.as_bytes().chunks(size).map(|part| body.take(part).0).sum();
            assert_eq!(taken, chunks.len(), "in pieces of {size}");
            assert!(body.is_over());
        }
    }

    #[test]
    fn a_length_takes_its_bytes_and_no_more() {
        let mut body = Body::from(BodyFraming::Length(5));
        assert_eq!((body.take(b"hel"), body.is_over()), ((3, Ok(())), false));
        assert_eq!((body.take(b"loGET /"), body.is_over()), ((2, Ok(())), true));
        assert!(Body::from(BodyFraming::None).is_over());
    }
}
