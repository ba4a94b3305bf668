//! A link as a QR code, for a camera: as SVG for pages, as PNG for what shows no SVG.
//!
//! What is drawn is usually a secret, so the drawing is one, too.

use png::{BitDepth, ColorType, Encoder};
use qrcode::render::svg;
use qrcode::{Color, QrCode};

use crate::secret::Secret;

/// The text is too long for a QR code, which holds at most 2,331 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too long for a QR code")]
pub struct TooLong;

/// An SVG document that fills what it is put into, black on white whatever is around it: cameras fail at the reverse.
///
/// # Errors
///
/// [`TooLong`].
pub fn qr_svg(text: &str) -> Result<Secret<String>, TooLong> {
    let code = QrCode::new(text).map_err(|_| TooLong)?;
    let size = SCALE * 57;
    Ok(Secret::new(code.render::<svg::Color<'_>>().min_dimensions(size, size).build()))
}

/// A PNG file in grey.
///
/// # Errors
///
/// [`TooLong`].
pub fn qr_png(text: &str) -> Result<Secret<Vec<u8>>, TooLong> {
    let code = QrCode::new(text).map_err(|_| TooLong)?;
    let modules = code.width() + 2 * QUIET_ZONE;
    let side = u32::try_from(modules).map_err(|_| TooLong)? * SCALE;
    let pixels = Secret::new(pixels(&code));
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|_| TooLong)?;
    writer.write_image_data(pixels.expose()).map_err(|_| TooLong)?;
    writer.finish().map_err(|_| TooLong)?;
    Ok(Secret::new(file))
}

/// Pixels for one module.
const SCALE: u32 = 6;

/// Modules of white around the code (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// Row by row, one byte for each pixel.
fn pixels(code: &QrCode) -> Vec<u8> {
    let (width, scale) = (code.width(), SCALE as usize);
    let side = (width + 2 * QUIET_ZONE) * scale;
    let mut pixels = Vec::with_capacity(side * side);
    let module = |pixel: usize| (pixel / scale).checked_sub(QUIET_ZONE).filter(|at| *at < width);
    for y in 0..side {
        for x in 0..side {
            let dark = module(x).zip(module(y)).is_some_and(|at| code[at] == Color::Dark);
            pixels.push(if dark { 0 } else { u8::MAX });
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const LINK: &str =
        "otpauth://totp/door.example:ana?secret=GEZDGNBVGY3TQOJQ&issuer=door.example";

    #[test]
    fn the_png_shows_each_module_and_white_around_them() {
        let file = qr_png(LINK).expect("a drawing");
        let mut reader = png::Decoder::new(Cursor::new(file.expose())).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let frame = reader.next_frame(&mut pixels).expect("an image");
        let code = QrCode::new(LINK).expect("a code");
        let side = (code.width() + 8) * 6;
        assert_eq!((frame.width as usize, frame.height as usize), (side, side));
        for y in 0..code.width() + 8 {
            for x in 0..code.width() + 8 {
                let inside =
                    (4..code.width() + 4).contains(&x) && (4..code.width() + 4).contains(&y);
                let dark = inside && code[(x - 4, y - 4)] == Color::Dark;
                let middle = (y * 6 + 3) * side + x * 6 + 3;
                assert_eq!(pixels[middle] == 0, dark, "{x} {y}");
            }
        }
    }

    #[test]
    fn the_svg_is_a_drawing_without_script_or_text() {
        let svg = qr_svg(LINK).expect("a drawing");
        let svg = svg.expose();
        assert!(svg.starts_with("<?xml") && svg.ends_with("</svg>"), "{svg}");
        assert!(!svg.contains("otpauth") && !svg.contains("script"));
    }

    #[test]
    fn what_is_too_long_is_said_to_be() {
        let (fits, too_long) = ("x".repeat(2_331), "x".repeat(2_332));
        assert!(qr_svg(&fits).is_ok() && qr_png(&fits).is_ok());
        assert_eq!(qr_svg(&too_long).err(), Some(TooLong));
        assert_eq!(qr_png(&too_long).err(), Some(TooLong));
        assert!(qr_svg("").is_ok());
    }
}
