//! `POST /auth/setup`: the first admin.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortalState;
use super::extract::{AskedBy, Json, required};
use super::problem::PortalError;
use crate::identity::password::Password;
use crate::identity::service::NewUser;
use crate::identity::setup::FirstAdmin;

/// The first administrator.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SetUp")]
pub(super) struct Body {
    code: Option<String>,
    email: Option<String>,
    username: Option<String>,
    full_name: Option<String>,
    password: Option<String>,
}

/// Who was made.
#[derive(JsonSchema, Serialize)]
pub(super) struct Made {
    id: String,
    email: String,
    username: String,
    roles: Vec<String>,
}

pub(super) async fn handle(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(body): Json<Body>,
) -> Result<(StatusCode, Answer<Made>), PortalError> {
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
    let made = Made {
        id: user.id.to_string(),
        email: user.email.as_str().to_owned(),
        username: user.username.as_str().to_owned(),
        roles: user.roles.iter().map(ToString::to_string).collect(),
    };
    Ok((StatusCode::CREATED, Answer(made)))
}
