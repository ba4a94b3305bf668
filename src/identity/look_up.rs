//! Finding somebody by whatever the operator calls them.

use super::{Identity, SignInName, StoreError, User, UserId};

impl Identity {
    /// Somebody in any standing, by identifier, sign-in name or e-mail address.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn look_up(&self, who: &str) -> Result<Option<User>, StoreError> {
        if let Ok(id) = who.parse::<UserId>()
            && let Some(user) = self.records.users.find(id).await?
        {
            return Ok(Some(user));
        }
        match who.parse::<SignInName>() {
            Ok(name) => self.records.users.find_by_name(&name).await,
            Err(_) => Ok(None),
        }
    }
}
