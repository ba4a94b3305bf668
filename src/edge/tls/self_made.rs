//! A certificate of our own, so that the first start has TLS without anybody's help.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use time::OffsetDateTime;

use super::TlsError;
use super::certificate::Certificate;
use crate::clock::Timestamp;

const DAY: Duration = Duration::from_hours(24);

/// Browsers refuse leaf certificates that are valid for longer than 398 days.
const VALID_FOR: Duration = Duration::from_hours(24 * 397);

/// Made anew this long before it ends.
const RENEW_BEFORE: Duration = Duration::from_hours(24 * 30);

/// Addresses that are always in it, beside the names asked for.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];

/// Chain and key files below `data`, made when there are none, when they end soon, or when `names` changed.
pub(super) fn ensure(
    names: &[String],
    data: &Path,
    now: Timestamp,
) -> Result<(PathBuf, PathBuf), TlsError> {
    let folder = data.join("tls");
    let (chain, key) = (folder.join("self-made.pem"), folder.join("self-made-key.pem"));
    let mut wanted: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    wanted.extend(LOOPBACK.map(str::to_owned));
    wanted.sort();
    wanted.dedup();
    if let Ok(present) = Certificate::load(&chain, &key) {
        let mut has = present.names.clone();
        has.sort();
        if has == wanted && present.not_after > now + RENEW_BEFORE {
            return Ok((chain, key));
        }
    }
    let failed = |error: rcgen::Error| TlsError::SelfMade(error.to_string());
    let private = KeyPair::generate().map_err(failed)?;
    let certificate =
        params(&wanted, now).map_err(failed)?.self_signed(&private).map_err(failed)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|source| TlsError::Unreadable { path: folder.clone(), source })?;
    write(&key, private.serialize_pem().as_bytes())?;
    write(&chain, certificate.pem().as_bytes())?;
    Ok((chain, key))
}

fn params(names: &[String], now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    for name in names {
        params.subject_alt_names.push(match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, "stormdoor, self-made");
    params.distinguished_name = subject;
    let instant = |at: Timestamp| {
        OffsetDateTime::from_unix_timestamp(at.as_secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    // A day back, for clients whose clock is behind.
    params.not_before = instant(now - DAY);
    params.not_after = instant(now + VALID_FOR);
    Ok(params)
}

/// Writes beside the file and renames, so that nobody ever reads half of it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    let unwritable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(unwritable)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(unwritable)?;
    fs::rename(&beside, path).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn it_is_kept_until_it_ends_soon_or_the_names_change() {
        let data = tempfile::tempdir().expect("a folder");
        let now = Timestamp::from_secs(1_800_000_000);
        let made = |list: &[&str], now| {
            let (chain, _) = ensure(&names(list), data.path(), now).expect("a certificate");
            fs::read(chain).expect("the chain")
        };
        let first = made(&["localhost", "*.localhost"], now);
        assert_eq!(first, made(&["localhost", "*.localhost"], now + DAY));
        let renewed = made(&["localhost", "*.localhost"], now + VALID_FOR - DAY);
        assert_ne!(first, renewed);
        assert_ne!(renewed, made(&["other.example"], now + VALID_FOR - DAY));
    }

    #[test]
    fn nobody_else_can_read_the_key() {
        let data = tempfile::tempdir().expect("a folder");
        let now = Timestamp::from_secs(1_800_000_000);
        let (_, key) = ensure(&names(&["localhost"]), data.path(), now).expect("a certificate");
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode(&key), 0o600);
        assert_eq!(mode(key.parent().expect("a folder")), 0o700);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        let now = Timestamp::from_secs(1_800_000_000);
        let (chain, _) = ensure(&names(&["a"]), one.path(), now).expect("a certificate");
        let (_, key) = ensure(&names(&["a"]), other.path(), now).expect("another");
        let error = Certificate::load(&chain, &key).expect_err("they do not belong together");
        assert!(error.to_string().contains("does not belong"), "{error}");
    }
}
