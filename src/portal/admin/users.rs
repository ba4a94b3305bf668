//! `/auth/admin/users`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Paging;
use crate::identity::password::Password;
use crate::identity::registration::InvalidField;
use crate::identity::service::NewUser;
use crate::identity::user::{Grant, UserQuery};
use crate::identity::{Email, Standing, User, UserId};
use crate::portal::PortalState;
use crate::portal::extract::{AdminCaller, Json, Query, required, timestamp};
use crate::portal::problem::PortalError;
use crate::portal::session::Ended;
use crate::portal::view::{Page, SessionView, UserView};

/// Which users.
#[derive(Debug, Deserialize)]
pub(in crate::portal) struct Filter {
    q: Option<String>,
    standing: Option<String>,
    role: Option<String>,
    #[serde(flatten)]
    paging: PagingText,
}

/// Numbers behind `flatten` arrive as text.
#[derive(Debug, Deserialize)]
struct PagingText {
    skip: Option<String>,
    limit: Option<String>,
}

impl PagingText {
    fn read(&self) -> Result<Paging, PortalError> {
        let number = |text: &Option<String>, name| match text {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| PortalError::BadQuery(name)),
        };
        Ok(Paging { skip: number(&self.skip, "skip")?, limit: number(&self.limit, "limit")? })
    }
}

fn id(text: &str) -> Result<UserId, PortalError> {
    text.parse().map_err(|_| PortalError::NotFound)
}

async fn view(portal: &PortalState, user: &User) -> Answer<UserView> {
    Answer(UserView::with_lock(user, &portal.identity).await)
}

pub(in crate::portal) async fn list(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<UserView>>, PortalError> {
    admin.looked(&portal, "users", None).await?;
    let (skip, limit) = filter.paging.read()?.bounds();
    let standing = match filter.standing.as_deref() {
        None => None,
        Some(name) => Some(Standing::from_name(name).ok_or(PortalError::BadQuery("standing"))?),
    };
    let search = filter.q.filter(|text| !text.is_empty());
    let role = filter.role.map(Arc::from);
    let query = UserQuery { search, standing, role, skip, limit };
    let (found, total) = portal.identity.list_users(&query).await?;
    let items = UserView::all_of(&found, &portal.identity).await;
    Ok(Answer(Page { items, total, skip, limit }))
}

/// Somebody to be added.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "AddUser")]
pub(in crate::portal) struct NewUserBody {
    email: Option<String>,
    username: Option<String>,
    full_name: Option<String>,
    password: Option<String>,
    /// Default: those of anybody who registers.
    roles: Option<Vec<String>>,
}

pub(in crate::portal) async fn add(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Json(body): Json<NewUserBody>,
) -> Result<(StatusCode, Answer<UserView>), PortalError> {
    let new = NewUser {
        email: required(body.email, "email")?,
        username: body.username,
        full_name: body.full_name,
        password: Password::new(required(body.password, "password")?)?,
    };
    let roles = match body.roles {
        Some(roles) => roles.into_iter().map(Arc::from).collect(),
        None => portal.identity.settings().default_roles.clone(),
    };
    let user = portal.identity.add_user(new, roles, &admin.by()).await?;
    Ok((StatusCode::CREATED, view(&portal, &user).await))
}

pub(in crate::portal) async fn find(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<Answer<UserView>, PortalError> {
    let user = portal.identity.user(id(&user)?).await?.ok_or(PortalError::NotFound)?;
    admin.looked(&portal, "user", Some(user.id)).await?;
    Ok(view(&portal, &user).await)
}

/// What of somebody changes; what is absent stays.
#[derive(Deserialize, JsonSchema)]
pub(in crate::portal) struct ChangeUser {
    /// Empty removes it.
    full_name: Option<String>,
    /// Counts as verified: whoever changes it vouches for it.
    email: Option<String>,
}

pub(in crate::portal) async fn change(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
    Json(body): Json<ChangeUser>,
) -> Result<Answer<UserView>, PortalError> {
    let (id, by) = (id(&user)?, admin.by());
    let email = body.email.map(|email| email.parse::<Email>()).transpose();
    let email = email.map_err(InvalidField::Email)?;
    let mut changed = portal.identity.user(id).await?.ok_or(PortalError::NotFound)?;
    if let Some(name) = body.full_name {
        let name = Some(name).filter(|name| !name.trim().is_empty());
        changed = portal.identity.rename_user(id, name, &by).await?;
    }
    if let Some(email) = email {
        changed = portal.identity.set_email(id, email, &by).await?;
    }
    Ok(view(&portal, &changed).await)
}

macro_rules! standing {
    ($($(#[$doc:meta])* $name:ident => $standing:ident),+ $(,)?) => {$(
        $(#[$doc])*
        pub(in crate::portal) async fn $name(
            State(portal): State<PortalState>,
            admin: AdminCaller,
            Path(user): Path<String>,
        ) -> Result<Answer<UserView>, PortalError> {
            let by = admin.by();
            let user = portal.identity.set_standing(id(&user)?, Standing::$standing, &by).await?;
            Ok(view(&portal, &user).await)
        }
    )+};
}

standing! {
    /// Lets somebody in who signed up.
    approve => Active,
    /// Removes somebody, who can be restored.
    delete => Deleted,
    /// Locks somebody until unlocked.
    lock => Disabled,
    /// Restores somebody who was removed.
    restore => Active,
}

/// Unlocks somebody, whoever or whatever locked them.
pub(in crate::portal) async fn unlock(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<Answer<UserView>, PortalError> {
    let (id, by) = (id(&user)?, admin.by());
    let found = portal.identity.user(id).await?.ok_or(PortalError::NotFound)?;
    let user = if found.standing == Standing::Disabled {
        portal.identity.set_standing(id, Standing::Active, &by).await?
    } else {
        portal.identity.lift_lock(id, &by).await?
    };
    Ok(view(&portal, &user).await)
}

pub(in crate::portal) async fn erase(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<StatusCode, PortalError> {
    portal.identity.erase_user(id(&user)?, &admin.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Exactly these roles.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SetRoles")]
pub(in crate::portal) struct RolesBody {
    roles: Option<Vec<String>>,
}

pub(in crate::portal) async fn set_roles(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
    Json(body): Json<RolesBody>,
) -> Result<Answer<UserView>, PortalError> {
    let roles = required(body.roles, "roles")?.into_iter().map(Arc::from).collect();
    let user = portal.identity.set_roles(id(&user)?, roles, &admin.by()).await?;
    Ok(view(&portal, &user).await)
}

/// Exactly these permissions beside those of the roles.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SetGrants")]
pub(in crate::portal) struct Grants {
    grants: Option<Vec<GrantBody>>,
}

/// A permission, and until when.
#[derive(Deserialize, JsonSchema)]
struct GrantBody {
    /// `resource:action`.
    permission: String,
    /// RFC 3339; for ever when absent.
    until: Option<String>,
}

pub(in crate::portal) async fn set_grants(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
    Json(body): Json<Grants>,
) -> Result<Answer<UserView>, PortalError> {
    let grants = required(body.grants, "grants")?.into_iter().map(|grant| {
        let permission = grant.permission.parse().map_err(|_| InvalidField::Permission)?;
        let until = grant.until.as_deref().map(timestamp).transpose()?;
        Ok(Grant { permission, until })
    });
    let grants = grants.collect::<Result<Vec<_>, PortalError>>()?;
    let user = portal.identity.set_grants(id(&user)?, grants, &admin.by()).await?;
    Ok(view(&portal, &user).await)
}

pub(in crate::portal) async fn sessions_of(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<Answer<Page<SessionView>>, PortalError> {
    let user = portal.identity.user(id(&user)?).await?.ok_or(PortalError::NotFound)?;
    admin.looked(&portal, "sessions", Some(user.id)).await?;
    let found = portal.identity.sessions(user.id).await?;
    let items: Vec<_> =
        found.iter().map(|found| SessionView::of(found, admin.session, &portal.identity)).collect();
    let total = items.len() as u64;
    Ok(Answer(Page { items, total, skip: 0, limit: u32::try_from(total).unwrap_or(u32::MAX) }))
}

pub(in crate::portal) async fn end_sessions(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<Answer<Ended>, PortalError> {
    let ended = portal.identity.sign_out_everywhere(id(&user)?, &admin.by()).await?;
    Ok(Answer(Ended { ended }))
}

pub(in crate::portal) async fn reset_second_factor(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<StatusCode, PortalError> {
    portal.identity.reset_second_factor(id(&user)?, &admin.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}
