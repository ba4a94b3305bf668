//! Setting up an authenticator app, for whoever signs in and for whoever is signed in.
//!
//! The secret is shown once. After a wrong code the page shows it again from what it sent itself, in a hidden field: a new
//! one would not fit what the app has scanned.

use super::sheet::{Block, Field, Form, Sheet};
use super::visit::Fields;
use super::words;
use crate::identity::second_factor::qr::qr_svg;

/// Puts the QR code, its secret and the form for the first code on a page.
pub(super) fn put_on(sheet: &mut Sheet, form: Form, uri: &str) {
    let svg = qr_svg(uri).map(|svg| svg.expose().clone()).unwrap_or_default();
    // Without its XML declaration, which HTML has not.
    let svg = svg.find("<svg").and_then(|at| svg.get(at..)).unwrap_or_default().to_owned();
    sheet.push(Block::text(words::SCAN));
    sheet.push(Block::Qr { svg, secret: in_fours(secret_of(uri)) });
    let step = vec![("step", "confirm".to_owned()), ("uri", uri.to_owned())];
    let code = Field::code("code", words::FIRST_CODE).hint(words::FIRST_CODE_HINT).focus();
    sheet.push(form.hidden(step).field(code).into());
}

/// The secret that a form brought back, if it can be one.
pub(super) fn uri_of(fields: &Fields) -> Option<&str> {
    let uri = fields.get("uri").filter(|uri| uri.len() <= 512)?;
    (uri.starts_with("otpauth://totp/") && !secret_of(uri).is_empty()).then_some(uri)
}

fn secret_of(uri: &str) -> &str {
    let (_, query) = uri.split_once('?').unwrap_or_default();
    query.split('&').find_map(|pair| pair.strip_prefix("secret=")).unwrap_or_default()
}

/// For typing.
fn in_fours(secret: &str) -> String {
    let mut text = String::with_capacity(secret.len() * 5 / 4);
    for (place, character) in secret.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            text.push(' ');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_read_from_the_uri_and_nothing_else_is_taken_for_one() {
        let of = |uri: &str| {
            let fields: Fields = [("uri".to_owned(), uri.to_owned())].into_iter().collect();
            uri_of(&fields).map(|uri| in_fours(secret_of(uri)))
        };
        let good = "otpauth://totp/x:y?secret=ABCDEFGH23&issuer=x";
        assert_eq!(of(good).as_deref(), Some("ABCD EFGH 23"));
        for wrong in ["", "https://evil.example/?secret=A", "otpauth://totp/x:y?issuer=x"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
