//! Codes of an authenticator app (RFC 6238): SHA-1, six digits, steps of 30 seconds, as every app knows them.
//!
//! A code is good in its own step and the one before and after it, and each step once: [`check`] never takes a step that
//! is not after the last one accepted, and the store makes that atomic.

use ring::hmac;

use crate::clock::Timestamp;
use crate::identity::random;
use crate::secret::Secret;

/// Seconds of a step.
const STEP: i64 = 30;

/// A shared secret of 160 bits (RFC 4226 §4, R6).
#[derive(Clone, Debug)]
pub struct TotpSecret(Secret<[u8; 20]>);

/// A time step whose code was right.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct AcceptedStep(pub u64);

/// The code is wrong, too old, or was used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("wrong code")]
pub struct WrongCode;

impl TotpSecret {
    /// A secret that nobody has yet.
    pub fn generate() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// The secret with this value, as unsealed.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Secret::new(bytes)))
    }

    /// The way out, to be sealed.
    pub fn expose_for_sealing(&self) -> &[u8] {
        self.0.expose()
    }

    /// The way out, to its owner: base32 without padding (RFC 4648 §6), 32 characters.
    pub fn expose_for_owner(&self) -> Secret<String> {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut text = String::with_capacity(32);
        for five in self.0.expose().chunks_exact(5) {
            let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for place in (0..8).rev() {
                let at = usize::try_from(bits >> (5 * place) & 31).unwrap_or(0);
                text.push(ALPHABET.get(at).map_or('A', |byte| char::from(*byte)));
            }
        }
        Secret::new(text)
    }

    /// `otpauth://totp/…`, as apps read it from a QR code.
    pub fn uri(&self, issuer: &str, account: &str) -> Secret<String> {
        let (issuer, account) = (escaped(issuer), escaped(account));
        let secret = self.expose_for_owner();
        Secret::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30",
            secret.expose()
        ))
    }

    /// The code of a step.
    fn code(&self, step: u64) -> [u8; 6] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or(0) & 15);
        let four = tag.get(offset..offset + 4).unwrap_or_default();
        let number = four.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let mut number = (number & 0x7fff_ffff) % 1_000_000;
        let mut code = [b'0'; 6];
        for digit in code.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
        code
    }
}

/// The step that `code` belongs to, if it is right at `now` and no step up to `last` was meant. Spaces are ignored.
///
/// # Errors
///
/// [`WrongCode`].
pub fn check(
    secret: &TotpSecret,
    code: &str,
    now: Timestamp,
    last: Option<u64>,
) -> Result<AcceptedStep, WrongCode> {
    let digits: Vec<u8> = code.bytes().filter(|byte| *byte != b' ').collect();
    if digits.len() != 6 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(WrongCode);
    }
    let present = u64::try_from(now.as_secs().div_euclid(STEP)).map_err(|_| WrongCode)?;
    let mut found = None;
    // All three are computed in any case.
    for step in [present.saturating_sub(1), present, present + 1] {
        // Without looking at where they differ.
        let code = secret.code(step);
        let same = code.iter().zip(&digits).fold(0, |all, (own, given)| all | (own ^ given)) == 0;
        if same && last.is_none_or(|last| step > last) {
            found = found.or(Some(AcceptedStep(step)));
        }
    }
    found.ok_or(WrongCode)
}

/// A QR code of `text` as SVG, dark on light whatever the page looks like: scanners want it so.
pub fn qr_svg(text: &str) -> Option<String> {
    use qrcode::render::svg;
    let code = qrcode::QrCode::new(text).ok()?;
    Some(code.render::<svg::Color<'_>>().min_dimensions(240, 240).quiet_zone(true).build())
}

/// The same as PNG: eight pixels to a module, one bit to a pixel.
pub fn qr_png(text: &str) -> Option<Vec<u8>> {
    const SCALE: usize = 8;
    const QUIET: usize = 4;
    let code = qrcode::QrCode::new(text).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let pixels = (width + 2 * QUIET) * SCALE;
    let mut data = Vec::with_capacity(pixels * pixels.div_ceil(8));
    for y in 0..pixels {
        let mut line = vec![0_u8; pixels.div_ceil(8)];
        for x in 0..pixels {
            let module = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|at| *at < width);
            let dark = match (module(x), module(y)) {
                (Some(x), Some(y)) => {
                    colors.get(y * width + x).is_some_and(|color| *color == qrcode::Color::Dark)
                }
                _ => false,
            };
            if !dark && let Some(byte) = line.get_mut(x / 8) {
                *byte |= 0x80 >> (x % 8);
            }
        }
        data.extend_from_slice(&line);
    }
    let mut png = Vec::new();
    let side = u32::try_from(pixels).ok()?;
    let mut encoder = png::Encoder::new(&mut png, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&data).ok()?;
    writer.finish().ok()?;
    Some(png)
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
fn escaped(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _infallible = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").expect("20 bytes")
    }

    /// RFC 6238 appendix B, SHA-1, the last six of its eight digits.
    #[test]
    fn the_codes_of_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = u64::try_from(seconds / STEP).expect("positive");
            let now = Timestamp::from_secs(seconds);
            assert_eq!(check(&rfc(), code, now, None), Ok(AcceptedStep(step)), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_for_three_steps_and_each_step_once() {
        let at = Timestamp::from_secs;
        // The code of step 1, which is from second 30 to 59.
        for (now, last, good) in [
            (0, None, true),
            (30, None, true),
            (89, None, true),
            (90, None, false),
            (59, Some(0), true),
            (59, Some(1), false),
            (59, Some(2), false),
        ] {
            let found = check(&rfc(), "287 082", at(now), last);
            assert_eq!(found.is_ok(), good, "{now} {last:?}");
        }
        for typed in ["", "28708", "2870822", "28708a", "٢٨٧٠٨٢", "287083"] {
            assert_eq!(check(&rfc(), typed, at(59), None), Err(WrongCode), "{typed}");
        }
    }

    #[test]
    fn what_an_app_reads() {
        let uri = rfc().uri("door.example:8443", "ada lovelace@example.org");
        assert_eq!(
            uri.expose(),
            "otpauth://totp/door.example%3A8443:ada%20lovelace%40example.org\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=door.example%3A8443\
             &algorithm=SHA1&digits=6&period=30"
        );
        let svg = qr_svg(uri.expose()).expect("a QR code");
        assert!(svg.contains("<svg") && svg.contains("</svg>"));
        let png = qr_png(uri.expose()).expect("a QR code");
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    }
}
