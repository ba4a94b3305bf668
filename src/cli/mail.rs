//! `stormdoor mail`: whether mail works.

use anyhow::Context;
use clap::{Args, Subcommand};

use super::Place;
use crate::clock::{Clock, SystemClock};
use crate::identity::{Email, LetterId, random};
use crate::mail;
use crate::mail::Mailer;

#[derive(Debug, Subcommand)]
pub(super) enum Mail {
    /// Send a mail now, past the queue, and print what the relay says when it refuses it
    Test(Test),
}

#[derive(Args, Debug)]
pub(super) struct Test {
    /// To whom
    address: Email,
}

impl Mail {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Test(test) => test.execute(place),
        }
    }
}

impl Test {
    fn execute(self, place: &Place) -> anyhow::Result<()> {
        let config = place.load()?;
        let settings = config.mail.as_ref();
        let settings = settings.context("the configuration has no section `mail`")?;
        let mailer = Mailer::new(settings, &config.public_url.host)?;
        let mail = mail::trial(&self.address, mailer.service())?;
        let now = SystemClock.now();
        let id = LetterId::from_uuid(random::uuid_v7(now));
        super::block_on(async {
            match mailer.send(&mail, id, now).await {
                Ok(()) => println!("{mailer} took a mail to {}", self.address),
                Err(refusal) => {
                    let kind = if refusal.permanent { "refused" } else { "not taken now" };
                    anyhow::bail!("{kind} by {mailer}: {}", refusal.said)
                }
            }
            Ok(())
        })
    }
}
