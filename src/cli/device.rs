//! `stormdoor device`: device passwords and API tokens of one user.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Place;
use super::exit::Refused;
use super::print::{self, Format};
use super::who::Who;
use crate::clock::{Clock, SystemClock};
use crate::identity::device::{Device as Held, NewDevice, Scope};
use crate::identity::{DeviceId, Permission};
use crate::portal::as_json;

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// List the device passwords and API tokens of somebody
    List(List),
    /// Make a device password, or an API token, and print it this once
    Add(Add),
    /// Remove one; the next request with it is refused
    Remove(Remove),
}

/// List the device passwords and API tokens of somebody
#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    who: Who,

    /// For people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Make a device password, or an API token, and print it this once
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    stormdoor device add ada 'Laptop of Ada'                              # a device password\n  \
    stormdoor device add backup nightly --permissions files:read,files:list   # an API token")]
pub(super) struct Add {
    #[command(flatten)]
    who: Who,

    /// What to call it
    name: String,

    /// Make an API token that may do this at most, with commas between
    #[arg(long, value_name = "a:b,c:d", value_delimiter = ',')]
    permissions: Vec<Permission>,
}

/// Remove one; the next request with it is refused
#[derive(Args, Debug)]
pub(super) struct Remove {
    #[command(flatten)]
    who: Who,

    /// As `device list` shows it
    id: DeviceId,
}

impl Device {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.execute(place),
            Self::Add(add) => add.execute(place),
            Self::Remove(remove) => remove.execute(place),
        }
    }
}

impl List {
    fn execute(&self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            let devices = identity.devices(user.id).await?;
            if let Format::Json = self.format {
                let items: Vec<_> = devices.iter().map(as_json::device).collect();
                return print::json(&json!({ "items": items }));
            }
            let rows: Vec<_> = devices.iter().map(row).collect();
            let titles = ["id", "name", "may", "made", "last used", "from"];
            print::table(titles, &rows, &format!("{} has no devices", user.username))
        })
    }
}

fn row(device: &Held) -> [String; 6] {
    let may = match &device.scope {
        Scope::Dav => "dav".to_owned(),
        Scope::Permissions(permissions) => print::listed(permissions),
    };
    [
        device.id.to_string(),
        device.name.clone(),
        may,
        device.created_at.to_string(),
        print::or_dash(device.last_used_at),
        print::or_dash(device.last_address.as_deref()),
    ]
}

impl Add {
    fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            if !user.is_active() {
                let standing = user.standing.name();
                return Err(
                    Refused(format!("{} may not sign in: {standing}", user.username)).into()
                );
            }
            let scope = if self.permissions.is_empty() {
                Scope::Dav
            } else {
                // The words of the API are for the user; here they are about one.
                let held = identity.permissions_of(&user, SystemClock.now());
                if let Some(lacking) = self.permissions.iter().find(|wanted| !held.allow(wanted)) {
                    let what = format!("{} does not have {lacking}", user.username);
                    return Err(Refused(what).into());
                }
                Scope::Permissions(self.permissions)
            };
            let new = NewDevice { name: self.name, scope, expires_at: None };
            let (device, secret) = identity.add_device(user.id, new, None).await?;
            eprintln!(
                "{:?} of {} has the id {}; its secret is",
                device.name, user.username, device.id
            );
            print::line(secret.expose())
        })
    }
}

impl Remove {
    fn execute(&self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            if identity.remove_device(user.id, self.id, None).await? {
                return print::line("the device is removed");
            }
            let name = &user.username;
            let hint = format!("`stormdoor device list {name}` shows them");
            Err(Refused(format!("{name} has no device {}; {hint}", self.id)).into())
        })
    }
}
