//! Texts of the file as values. Each reader reports what it expected and goes on with a default.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::Compiler;
use crate::identity::Permission;
use crate::secret::Secret;
use crate::throttle::Allowance;

impl Compiler<'_> {
    /// An address to listen on; `None` for `off`.
    pub(super) fn address(
        &mut self,
        path: &str,
        text: Option<&str>,
        default: ([u8; 4], u16),
    ) -> Option<SocketAddr> {
        let default = SocketAddr::from(default);
        match text {
            None => Some(default),
            Some("off") => None,
            Some(text) => Some(text.parse().unwrap_or_else(|_| {
                let message = format!(
                    "{text:?}: expected an address and port like {default}, [::]:443, or off"
                );
                self.problems.add(path, message);
                default
            })),
        }
    }

    pub(super) fn duration(
        &mut self,
        path: &str,
        text: Option<&String>,
        default: Duration,
        lowest: Duration,
        highest: Duration,
    ) -> Duration {
        let Some(text) = text else { return default };
        match humantime::parse_duration(text) {
            Ok(duration) if (lowest..=highest).contains(&duration) => duration,
            Ok(_) => {
                let (lowest, highest) = (as_written(lowest), as_written(highest));
                self.problems.add(path, format!("{text:?}: expected from {lowest} to {highest}"));
                default
            }
            Err(_) => {
                self.problems
                    .add(path, format!("{text:?}: expected a duration like 30s, 15m, 2h or 7d"));
                default
            }
        }
    }

    pub(super) fn size(
        &mut self,
        path: &str,
        text: Option<&String>,
        default: u64,
        lowest: u64,
        highest: u64,
    ) -> u64 {
        let Some(text) = text else { return default };
        match parse_size(text) {
            Some(size) if (lowest..=highest).contains(&size) => size,
            Some(_) => {
                self.problems
                    .add(path, format!("{text:?}: expected from {lowest} to {highest} bytes"));
                default
            }
            None => {
                self.problems
                    .add(path, format!("{text:?}: expected a size like 64KiB, 10MiB or 2GiB"));
                default
            }
        }
    }

    pub(super) fn allowance(&mut self, path: &str, text: &str) -> Allowance {
        text.parse().unwrap_or_else(|error| {
            self.problems.add(path, format!("{text:?}: {error}"));
            Allowance::Unlimited
        })
    }

    pub(super) fn cidrs(&mut self, path: &str, texts: &[String]) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match parse_network(text) {
                Some(network) => networks.push(network),
                None => self.problems.add(
                    &format!("{path}[{index}]"),
                    format!("{text:?}: expected a network like 10.0.0.0/8 or 2001:db8::/32"),
                ),
            }
        }
        networks
    }

    /// Networks, or names of networks.
    pub(super) fn networks(&mut self, path: &str, texts: &[String]) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if let Some(named) = self.networks.get(text) {
                networks.extend(named);
            } else if let Some(network) = parse_network(text) {
                networks.push(network);
            } else {
                let hint = super::hint(text, self.networks.keys().map(String::as_str));
                let beside: &[&str] = if text.contains('/') { &[] } else { &["networks"] };
                self.problems.add_beside(
                    &format!("{path}[{index}]"),
                    beside,
                    format!("{text:?} is neither a network nor a name of networks{hint}"),
                );
            }
        }
        networks
    }

    pub(super) fn permissions(&mut self, path: &str, texts: &[String]) -> Vec<Permission> {
        let mut permissions = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(permission) => permissions.push(permission),
                Err(error) => {
                    self.problems.add(&format!("{path}[{index}]"), format!("{text:?}: {error}"));
                }
            }
        }
        permissions
    }

    /// A secret, written or in a file; both is an error, since nobody could tell which one counts.
    pub(super) fn secret(
        &mut self,
        path: &str,
        key: &str,
        written: Option<&String>,
        file: Option<&String>,
    ) -> Option<Secret<Vec<u8>>> {
        match (written, file) {
            (Some(_), Some(_)) => {
                let message = format!("{key} and {key}_file are both given; keep one");
                self.problems.add(&format!("{path}.{key}_file"), message);
                None
            }
            (Some(text), None) => Some(Secret::new(text.as_bytes().to_vec())),
            (None, Some(file)) => {
                let file: PathBuf = self.file(file);
                match std::fs::read(&file) {
                    Ok(bytes) => {
                        // Editors and `echo` end files with a line end that nobody meant.
                        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                        Some(Secret::new(text.strip_suffix(b"\r").unwrap_or(text).to_vec()))
                    }
                    Err(error) => {
                        let path = format!("{path}.{key}_file");
                        let name = self.problems.name_of(&path, &file);
                        self.problems.add(&path, format!("{name}: {error}"));
                        None
                    }
                }
            }
            (None, None) => None,
        }
    }
}

/// In the largest unit that leaves nothing over.
fn as_written(duration: Duration) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let millis = duration.as_millis();
    let unit = units.into_iter().find(|(size, _)| millis >= *size && millis.is_multiple_of(*size));
    unit.map_or_else(|| "0s".into(), |(size, name)| format!("{}{name}", millis / size))
}

fn parse_network(text: &str) -> Option<IpNet> {
    let network: IpNet =
        text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))?;
    // `10.0.0.1/8` may mean the address or the network; nobody knows.
    (network == network.trunc()).then_some(network)
}

/// Bytes, as `64KiB`, `10MiB` or `2GiB` say them. `None` when it is no size.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
