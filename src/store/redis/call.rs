//! One command about one key: what a server is asked, and by what a cluster finds the server to ask.

use redis::aio::MultiplexedConnection;
use redis::{
    Arg, Cmd, ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind, ToRedisArgs,
};

use super::slot::slot_of;

/// A command or a script, about exactly one key: so that a cluster never has to divide it among its servers.
pub(super) struct Call {
    command: Cmd,
    /// Where among the words of the command the key is.
    key_at: usize,
    script: Option<&'static Script>,
}

impl Call {
    /// The command `name key …`.
    pub(super) fn command(name: &str, key: &str) -> Self {
        let mut command = redis::cmd(name);
        command.arg(key);
        Self { command, key_at: 1, script: None }
    }

    /// `script` with its one key.
    pub(super) fn script(script: &'static Script, key: &str) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(1).arg(key);
        Self { command, key_at: 3, script: Some(script) }
    }

    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.command.arg(arg);
        self
    }

    /// Which of the parts of a cluster the key is in.
    pub(super) fn slot(&self) -> u16 {
        match self.command.args_iter().nth(self.key_at) {
            Some(Arg::Simple(key)) => slot_of(key),
            _ => 0,
        }
    }

    pub(super) async fn ask<A: FromRedisValue>(
        &self,
        wire: &mut MultiplexedConnection,
    ) -> Result<A, RedisError> {
        let answer = self.command.query_async(wire).await;
        match (answer, self.script) {
            // Scripts are loaded with the connection; somebody made the server forget them.
            (Err(error), Some(script))
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                script.load_async(wire).await?;
                self.command.query_async(wire).await
            }
            (answer, _) => answer,
        }
    }

    /// Asks the server to which the key is on its way.
    pub(super) async fn ask_ahead<A: FromRedisValue>(
        &self,
        wire: &mut MultiplexedConnection,
    ) -> Result<A, RedisError> {
        // In one piece: the first is good for the very next command of the connection, which others use too.
        let mut both = redis::pipe();
        both.cmd("ASKING").ignore().add_command(self.command.clone());
        let (answer,) = both.query_async(wire).await?;
        Ok(answer)
    }
}
