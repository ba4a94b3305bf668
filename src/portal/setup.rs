//! `POST /auth/setup`: the first admin.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::PortalState;
use super::extract::{AskedBy, Json, required};
use super::problem::PortalError;
use crate::identity::password::Password;
use crate::identity::service::NewUser;
use crate::identity::setup::FirstAdmin;

#[derive(Deserialize)]
pub(super) struct Body {
    code: Option<String>,
    email: Option<String>,
    username: Option<String>,
    full_name: Option<String>,
    password: Option<String>,
}

/// | status | when |
/// |---|---|
/// | 201 | the admin was made; this never works again |
/// | 403 `wrong-setup-code` | the code is not the one printed last |
/// | 410 `setup-closed` | there was an admin once |
/// | 422 | a field is missing or not as expected, or the password is weak |
pub(super) async fn handle(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(body): Json<Body>,
) -> Result<(StatusCode, Answer<Value>), PortalError> {
    let first = FirstAdmin {
        code: required(body.code, "code")?,
        account: NewUser {
            email: required(body.email, "email")?,
            username: body.username,
            full_name: body.full_name,
            password: Password::new(required(body.password, "password")?)?,
        },
    };
    let user = portal.identity.set_up(first, &client).await?;
    let made = json!({
        "id": user.id.to_string(),
        "email": user.email.as_str(),
        "username": user.username.as_str(),
        "roles": user.roles,
    });
    Ok((StatusCode::CREATED, Answer(made)))
}
