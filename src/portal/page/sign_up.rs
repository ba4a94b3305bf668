//! `/auth/sign-up`: a new account. What comes after is the same whether the address has one already or not.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::problem::PortalError;
use super::super::register::registered;
use super::super::way_in::see_other;
use super::sheet::{Block, Field, Form, Sheet};
use super::visit::{Fields, Posted, Visit};
use super::{sign_in, words};
use crate::identity::password::Password;
use crate::identity::registration::RegistrationMode;
use crate::identity::service::NewUser;

pub(super) const PATH: &str = "/auth/sign-up";

pub(super) async fn show(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    if visit.query.get("done").is_some() {
        return visit.show(after(&portal, visit.query.get("done") == Some("invited")));
    }
    let invited = visit.query.optional("token").is_some();
    match portal.identity.settings().registration {
        RegistrationMode::Off if !invited => Err(PortalError::RegistrationOff),
        RegistrationMode::Invite if !invited => Err(PortalError::ByInvitationOnly),
        _ => visit.show(sheet(&portal, &visit, &visit.query)),
    }
}

fn sheet(portal: &PortalState, visit: &Visit, typed: &Fields) -> Sheet {
    let invitation = typed.optional("token");
    let mut sheet = Sheet::new(portal, words::SIGN_UP);
    if invitation.is_some() {
        sheet.push(Block::text(words::INVITED));
    }
    let puzzle = if invitation.is_none() { portal.identity.puzzle() } else { None };
    let form = visit.form(PATH, words::CREATE_ACCOUNT).puzzle(puzzle);
    let form = form.hidden(invitation.map(|token| ("token", token)).into_iter().collect());
    sheet
        .with(new_account(form, typed).into())
        .with(Block::link(words::HAVE_ACCOUNT, sign_in::PATH))
}

/// The fields of a new account.
pub(super) fn new_account(form: Form, typed: &Fields) -> Form {
    form.field(Field::email("email", words::EMAIL).value(typed.trimmed("email")))
        .field(
            Field::text("new_username", words::USERNAME, "username")
                .verbatim()
                .value(typed.trimmed("new_username"))
                .hint(words::USERNAME_HINT)
                .optional(),
        )
        .field(
            Field::text("full_name", words::FULL_NAME, "name")
                .value(typed.trimmed("full_name"))
                .optional(),
        )
        .field(
            Field::password("new_password", words::PASSWORD, "new-password")
                .hint(words::PASSPHRASE_HINT),
        )
}

/// The account that these fields ask for.
pub(super) fn account(fields: &mut Fields) -> Result<NewUser, PortalError> {
    Ok(NewUser {
        email: fields.trimmed("email"),
        username: fields.optional("new_username"),
        full_name: fields.optional("full_name"),
        password: Password::new(fields.take("new_password"))?,
    })
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let invitation = posted.fields.optional("token");
    match create(&portal, &mut posted, invitation.as_deref()).await {
        Ok(()) => {
            let done = if invitation.is_some() { "invited" } else { "yes" };
            Ok(see_other(&format!("{PATH}?done={done}")))
        }
        Err(error) => posted.visit.again(sheet(&portal, &posted.visit, &posted.fields), error),
    }
}

async fn create(
    portal: &PortalState,
    posted: &mut Posted,
    invitation: Option<&str>,
) -> Result<(), PortalError> {
    posted.genuine()?;
    if invitation.is_none() {
        posted.solved(portal).await?;
    }
    let new = account(&mut posted.fields)?;
    registered(portal, new, invitation, &posted.visit.client).await
}

fn after(portal: &PortalState, invited: bool) -> Sheet {
    let settings = portal.identity.settings();
    let text = match settings.registration {
        _ if invited => words::SIGNED_UP_NO_MAIL,
        _ if settings.mail => words::SIGNED_UP_MAIL,
        RegistrationMode::Approval { .. } => words::SIGNED_UP_APPROVAL,
        _ => words::SIGNED_UP_NO_MAIL,
    };
    Sheet::new(portal, words::SIGNED_UP)
        .with(Block::text(text))
        .with(Block::main_link(words::BACK_TO_SIGN_IN, sign_in::PATH))
}
