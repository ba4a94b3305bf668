//! `/`, for browsers: where to begin.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::extract::MaybeSignedIn;
use super::super::problem::PortalError;
use super::sheet::{Block, Sheet};
use super::visit::Visit;
use super::{sign_in, sign_out, words};

pub(super) async fn show(
    State(portal): State<PortalState>,
    MaybeSignedIn(principal): MaybeSignedIn,
    visit: Visit,
) -> Result<Response, PortalError> {
    let sheet = Sheet::new(&portal, words::START).with(Block::text(words::WHAT_THIS_IS));
    visit.show(match principal {
        Some(_) => sheet
            .with(Block::main_link(words::YOUR_ACCOUNT, "/auth/account"))
            .with(Block::link(words::SIGN_OUT, sign_out::PATH)),
        None => sheet.with(Block::main_link(words::SIGN_IN, sign_in::PATH)),
    })
}
