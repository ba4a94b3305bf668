//! `/auth/sign-in/second-factor`: the second step of a sign-in.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::extract::MaybeSignedIn;
use super::super::problem::PortalError;
use super::super::way_in::see_other;
use super::onward::Onward;
use super::sheet::{Block, Field, Form, Sheet};
use super::sign_in::{count, welcome};
use super::visit::{Fields, Posted, Visit};
use super::{enrol, sign_in, words};
use crate::identity::second_factor::{GivenFactor, Method};
use crate::identity::sign_in::{Needs, SignInError, SignedIn};

pub(super) const PATH: &str = "/auth/sign-in/second-factor";

pub(super) async fn show(
    State(portal): State<PortalState>,
    before: MaybeSignedIn,
    visit: Visit,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&visit.query);
    let needs = match visit.pending() {
        Some(token) => portal.identity.pending_user(token).await,
        None => Err(SignInError::NotPending),
    };
    match needs {
        Ok((_, Needs::Enrolment)) => Ok(see_other(&onward.link(enrol::PATH, &[]))),
        Ok((_, Needs::SecondFactor(methods))) => {
            let recovery = visit.query.get("recovery").is_some();
            visit.show(sheet(&portal, &visit, &onward, &methods, recovery))
        }
        Err(SignInError::NotPending) => Ok(over(&before, &onward)),
        Err(error) => Err(error.into()),
    }
}

fn sheet(
    portal: &PortalState,
    visit: &Visit,
    onward: &Onward,
    methods: &[Method],
    recovery: bool,
) -> Sheet {
    let form = visit.form(PATH, words::GO_ON).hidden(onward.hidden());
    let ask = Ask::of(methods, recovery);
    let mut sheet = Sheet::new(portal, words::SECOND_FACTOR);
    ask.put_on(&mut sheet, form);
    // Passkeys: their button stands here, once there is the script that it needs.
    if let Some((label, query)) = ask.other_way(methods) {
        sheet.push(Block::link(label, onward.link(PATH, query)));
    }
    sheet.push(Block::link(words::BEGIN_AGAIN, onward.link(sign_in::PATH, &[])));
    sheet
}

/// Which factor is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ask {
    Code,
    RecoveryCode,
}

impl Ask {
    /// `recovery`: whether somebody wants to use a recovery code.
    pub(super) fn of(methods: &[Method], recovery: bool) -> Self {
        let there = |method| methods.contains(&method);
        let no_app = !there(Method::Totp) && there(Method::RecoveryCode);
        if recovery || no_app { Self::RecoveryCode } else { Self::Code }
    }

    pub(super) fn put_on(self, sheet: &mut Sheet, form: Form) {
        let (text, field) = match self {
            Self::Code => (words::ASK_CODE, Field::code("code", words::CODE)),
            Self::RecoveryCode => {
                let field = Field::text("recovery_code", words::RECOVERY_CODE, "off").verbatim();
                (words::ASK_RECOVERY_CODE, field)
            }
        };
        sheet.push(Block::text(text));
        sheet.push(form.field(field.focus()).into());
    }

    /// The label of the other way and what its link has in the query.
    pub(super) fn other_way(
        self,
        methods: &[Method],
    ) -> Option<(&'static str, &'static [(&'static str, &'static str)])> {
        match self {
            Self::Code if methods.contains(&Method::RecoveryCode) => {
                Some((words::USE_RECOVERY_CODE, &[("recovery", "1")]))
            }
            Self::RecoveryCode if methods.contains(&Method::Totp) => Some((words::USE_APP, &[])),
            Self::Code | Self::RecoveryCode => None,
        }
    }
}

/// The factor of a form.
pub(super) fn given(fields: &mut Fields) -> (GivenFactor, bool) {
    match fields.get("recovery_code") {
        Some(_) => (GivenFactor::RecoveryCode(fields.take("recovery_code")), true),
        None => (GivenFactor::Totp(fields.take("code")), false),
    }
}

/// So that the message stands beside the field that was filled in.
pub(super) fn beside_its_field(error: PortalError, recovery: bool) -> PortalError {
    match error {
        PortalError::WrongFactor if recovery => PortalError::WrongRecoveryCode,
        error => error,
    }
}

/// Too late, or finished in another tab.
pub(super) fn over(MaybeSignedIn(principal): &MaybeSignedIn, onward: &Onward) -> Response {
    match principal {
        Some(_) => onward.go(),
        None => see_other(&onward.link(sign_in::PATH, &[("done", "over")])),
    }
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    before: MaybeSignedIn,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&posted.fields);
    let (factor, recovery) = given(&mut posted.fields);
    match give(&portal, &posted, factor).await {
        Ok(signed_in) => {
            let mut response = onward.go_from_form(&portal, &posted.visit)?;
            welcome(&mut response, &portal, &posted.visit, before, signed_in).await?;
            Ok(response)
        }
        Err(PortalError::NotPending) => Ok(over(&before, &onward)),
        Err(error) => {
            let pending = portal.identity.pending_user(posted.visit.pending().unwrap_or_default());
            let methods = match pending.await {
                Ok((_, Needs::SecondFactor(methods))) => methods,
                Ok((_, Needs::Enrolment)) | Err(_) => Vec::new(),
            };
            let sheet = sheet(&portal, &posted.visit, &onward, &methods, recovery);
            posted.visit.again(sheet, beside_its_field(error, recovery))
        }
    }
}

async fn give(
    portal: &PortalState,
    posted: &Posted,
    factor: GivenFactor,
) -> Result<SignedIn, PortalError> {
    let token = posted.visit.pending().ok_or(PortalError::NotPending)?;
    posted.genuine()?;
    let (method, began) = (factor.method().name(), portal.clock.now());
    let signed_in = portal.identity.give_factor(token, factor, &posted.visit.client).await;
    count(portal, method, signed_in.as_ref().err(), began);
    Ok(signed_in?)
}
