//! `stormdoor user`: other people's accounts, on the host only. Whoever may run it may do everything.

mod access;
mod add;
mod export;
mod import;
mod list;
mod profile;
mod rights;
mod show;
mod standing;

use clap::Subcommand;

use super::Place;
use super::who::Who;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user and print its id
    Add(add::Add),
    /// List users
    List(list::List),
    /// Show everything about one user
    Show(show::Show),
    /// Lock somebody out: every session and token ends, no new sign-ins
    Lock(Who),
    /// Let somebody in again who was locked, by you or by too many wrong passwords
    Unlock(Who),
    /// Let somebody in who signed up
    Approve(Who),
    /// Remove somebody, who can be restored
    Delete(Who),
    /// Restore somebody who was removed
    Restore(Who),
    /// Erase somebody who was removed, with everything that belongs to them
    Erase(standing::Erase),
    /// Change the full name
    Rename(profile::Rename),
    /// Change the e-mail address; you vouch for the new one
    Email(profile::ChangeEmail),
    /// Set a new password; every session ends
    Password(profile::SetPassword),
    /// Change roles
    Role(rights::Role),
    /// Give a permission beside those of the roles
    Grant(rights::Grant),
    /// Take such a permission back
    RevokeGrant(rights::RevokeGrant),
    /// End every session; devices go on
    SignOut(Who),
    /// Remove every second factor; every session ends
    ResetSecondFactor(Who),
    /// Print everything that is kept about somebody, as JSON
    Export(Who),
    /// Add many users with the password hashes of another program
    Import(import::ImportUsers),
}

impl User {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.execute(place),
            Self::List(list) => list.execute(place),
            Self::Show(show) => show.execute(place),
            Self::Lock(who) => standing::lock(place, &who),
            Self::Unlock(who) => standing::unlock(place, &who),
            Self::Approve(who) => standing::approve(place, &who),
            Self::Delete(who) => standing::delete(place, &who),
            Self::Restore(who) => standing::restore(place, &who),
            Self::Erase(erase) => erase.execute(place),
            Self::Rename(rename) => rename.execute(place),
            Self::Email(change) => change.execute(place),
            Self::Password(set) => set.execute(place),
            Self::Role(role) => role.execute(place),
            Self::Grant(grant) => grant.execute(place),
            Self::RevokeGrant(revoke) => revoke.execute(place),
            Self::SignOut(who) => access::sign_out(place, &who),
            Self::ResetSecondFactor(who) => access::reset_second_factor(place, &who),
            Self::Export(who) => export::execute(place, &who),
            Self::Import(import) => import.execute(place),
        }
    }
}
