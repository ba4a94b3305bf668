//! `/auth/account/tokens`: API tokens, for scripts and services. Each may do some of what its owner may, until its day. A
//! new one is shown once, in the answer to its form.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Choice, Field, Sheet};
use super::super::visit::{Fields, Posted, Visit};
use super::super::words;
use super::credential_list::{CredentialList, add};
use crate::clock::Timestamp;
use crate::identity::device::{NewDevice, Scope};
use crate::identity::registration::InvalidField;
use crate::identity::{Permission, Permissions, UserId};
use crate::portal::PortalState;
use crate::portal::extract::{Fresh, OwnSession, own};
use crate::portal::problem::PortalError;

pub(in super::super) const PATH: &str = "/auth/account/tokens";
pub(in super::super) const NEW: &str = "/auth/account/tokens/new";

const LIST: CredentialList = CredentialList {
    path: PATH,
    title: words::TOKENS,
    about: words::TOKENS_WHY,
    add: (words::ADD_TOKEN, NEW),
    removed: "token-removed",
    holds: |scope| matches!(scope, Scope::Permissions(_)),
};

/// How many days a token may last; none for no end of its own.
const DAYS: [Option<u64>; 5] = [Some(7), Some(30), Some(90), Some(365), None];

/// What is chosen before somebody chooses.
const USUAL_DAYS: &str = "90";

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    visit: Visit,
) -> Result<Response, PortalError> {
    LIST.show(&portal, &visit, user).await
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    posted: Posted,
) -> Result<Response, PortalError> {
    LIST.act(&portal, &posted, user).await
}

pub(in super::super) async fn show_new(
    State(portal): State<PortalState>,
    Fresh { user }: Fresh,
    visit: Visit,
) -> Result<Response, PortalError> {
    let offered = offered(&portal, user).await?;
    visit.show(new(&portal, &visit, &offered, &Wanted::default()))
}

async fn offered(portal: &PortalState, user: UserId) -> Result<Permissions, PortalError> {
    Ok(portal.identity.permissions_to_lend(&own(portal, user).await?))
}

/// What the form says.
struct Wanted {
    name: String,
    /// As text, from the list and from the field for others.
    permissions: Vec<String>,
    others: String,
    /// A number of [`DAYS`], or nothing.
    days: String,
}

impl Default for Wanted {
    fn default() -> Self {
        let (name, permissions, others) = (String::new(), vec![], String::new());
        Self { name, permissions, others, days: USUAL_DAYS.to_owned() }
    }
}

impl Wanted {
    fn of(fields: &Fields) -> Self {
        Self {
            name: fields.trimmed("device_name"),
            permissions: fields.all("permission").map(ToOwned::to_owned).collect(),
            others: fields.trimmed("other_permissions"),
            days: fields.trimmed("days"),
        }
    }

    fn token(&self, now: Timestamp) -> Result<NewDevice, PortalError> {
        let texts = self.permissions.iter().map(String::as_str);
        let texts = texts.chain(self.others.split_ascii_whitespace());
        let listed: Result<Permissions, _> = texts.map(str::parse).collect();
        let listed: Vec<_> =
            listed.map_err(|_| InvalidField::Permission)?.iter().cloned().collect();
        if listed.is_empty() {
            return Err(PortalError::MissingField("permission"));
        }
        let days = DAYS.into_iter().find(|days| value(*days) == self.days);
        let days = days.ok_or(InvalidField::Time)?;
        let expires_at = days.map(|days| now + Duration::from_hours(24 * days));
        Ok(NewDevice { name: self.name.clone(), scope: Scope::Permissions(listed), expires_at })
    }
}

/// Days as the form sends them.
fn value(days: Option<u64>) -> String {
    days.map(|days| days.to_string()).unwrap_or_default()
}

fn new(portal: &PortalState, visit: &Visit, offered: &Permissions, wanted: &Wanted) -> Sheet {
    let sheet = Sheet::new(portal, words::ADD_TOKEN).part(PATH);
    if offered.iter().next().is_none() {
        return sheet.with(Block::text(words::NOTHING_TO_LEND));
    }
    let choice = |text: String, label, is_chosen| Choice { value: text, label, is_chosen };
    let permissions = offered.iter().map(|permission| {
        let text = permission.to_string();
        let is_chosen = wanted.permissions.contains(&text);
        choice(text.clone(), text, is_chosen)
    });
    let days = DAYS.into_iter().map(|days| {
        let is_chosen = value(days) == wanted.days;
        choice(value(days), words::days(days), is_chosen)
    });
    let name = Field::text("device_name", words::CALLED, "off").value(&wanted.name).focus();
    let form = visit
        .form(NEW, words::MAKE_TOKEN)
        .field(name.hint(words::TOKEN_NAME_HINT))
        .field(Field::several("permission", words::MAY_WHAT, permissions.collect()));
    let form = if offered.iter().any(Permission::is_wide) {
        let others = Field::text("other_permissions", words::OTHER_PERMISSIONS, "off")
            .verbatim()
            .optional()
            .value(&wanted.others);
        form.field(others.hint(words::OTHER_PERMISSIONS_HINT))
    } else {
        form
    };
    let unused = words::token_ends_unused(portal.identity.settings().devices_unused);
    let days = Field::one_of("days", words::ENDS_WHEN, days.collect()).hint(unused);
    sheet.with(form.field(days).into())
}

pub(in super::super) async fn act_new(
    State(portal): State<PortalState>,
    Fresh { user }: Fresh,
    posted: Posted,
) -> Result<Response, PortalError> {
    let wanted = Wanted::of(&posted.fields);
    match add(&portal, &posted, user, wanted.token(portal.clock.now())).await {
        Ok(made) => {
            let sheet = LIST.made(&portal, words::TOKEN_MADE, words::TOKEN_MADE_WHY, made);
            posted.visit.show(sheet)
        }
        Err(error) => {
            let offered = offered(&portal, user).await?;
            posted.visit.again(new(&portal, &posted.visit, &offered, &wanted), error)
        }
    }
}
