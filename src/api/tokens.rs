//! The tokens that the server accepts now: found in constant time, and replaced while it serves.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tokio::sync::watch;

use crate::config::{NamedToken, TokenRights};

/// A token that the server accepts. It is kept as its digest: digests have one length, so that a
/// comparison does not tell that of the token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AcceptedToken {
    name: String,
    rights: TokenRights,
    digest: [u8; 32],
}

/// The tokens that the server accepts.
pub(super) struct AcceptedTokens(watch::Sender<Arc<[Arc<AcceptedToken>]>>);

/// The changes of the tokens when they were read again, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TokenChanges {
    pub(super) added: Vec<String>,
    /// Another secret, or other rights.
    pub(super) changed: Vec<String>,
    pub(super) removed: Vec<String>,
}

impl AcceptedToken {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn may_write(&self) -> bool {
        self.rights == TokenRights::Write
    }
}

impl From<&NamedToken> for AcceptedToken {
    fn from(token: &NamedToken) -> Self {
        Self {
            name: token.name().to_owned(),
            rights: token.rights(),
            digest: digest(token.token().as_bytes()),
        }
    }
}

impl AcceptedTokens {
    pub(super) fn new(tokens: &[NamedToken]) -> Self {
        Self(watch::Sender::new(accepted(tokens)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The token with this text. Every token is compared, whichever is found, in a time that does
    /// not tell how much of one is right.
    pub(super) fn find(&self, text: &str) -> Option<Arc<AcceptedToken>> {
        let tokens = Arc::clone(&self.0.borrow());
        let given = digest(text.as_bytes());
        let mut found = 0;
        for (number, token) in (1_u32..).zip(tokens.iter()) {
            // No early end: the time must not tell which token matched, nor how much of one.
            found.conditional_assign(&number, token.digest.ct_eq(&given));
        }
        let index = usize::try_from(found.checked_sub(1)?).ok()?;
        tokens.get(index).cloned()
    }

    /// Accepts these from now on, and no others.
    pub(super) fn replace(&self, tokens: &[NamedToken]) -> TokenChanges {
        let after = accepted(tokens);
        let before = self.0.send_replace(Arc::clone(&after));
        let of = |tokens: &[Arc<AcceptedToken>], name: &str| {
            tokens.iter().find(|token| token.name == name).cloned()
        };
        let mut changes = TokenChanges::default();
        for token in after.iter() {
            match of(&before, &token.name) {
                None => changes.added.push(token.name.clone()),
                Some(known) if known != *token => changes.changed.push(token.name.clone()),
                Some(_) => {}
            }
        }
        let gone = before.iter().filter(|it| of(&after, &it.name).is_none());
        changes.removed = gone.map(|token| token.name.clone()).collect();
        changes
    }

    /// Comes true when this token is accepted no more.
    pub(super) async fn revoked(&self, token: &AcceptedToken) {
        let mut tokens = self.0.subscribe();
        let is_gone =
            // By digest and not by name: a token with a new secret revokes the old one.
            |tokens: &Arc<[Arc<AcceptedToken>]>| !tokens.iter().any(|it| it.digest == token.digest);
        // An error says that the server itself is gone.
        drop(tokens.wait_for(is_gone).await);
    }
}

fn accepted(tokens: &[NamedToken]) -> Arc<[Arc<AcceptedToken>]> {
    let tokens = tokens.iter().map(|token| Arc::new(token.into()));
    tokens.collect()
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Token;

    const ONE: &str = "0123456789abcdef";
    const TWO: &str = "fedcba9876543210";
    const THREE: &str = "another-secret-of-18";

    fn named(name: &str, secret: &str, rights: TokenRights) -> NamedToken {
        NamedToken::new(name, Token::new(secret).unwrap(), rights).unwrap()
    }

    #[test]
    fn each_token_is_found_by_its_whole_text_alone() {
        let tokens = AcceptedTokens::new(&[
            named("desk", ONE, TokenRights::Write),
            named("grafana", TWO, TokenRights::Read),
        ]);
        let found = |text: &str| {
            let found = tokens.find(text)?;
            Some((found.name().to_owned(), found.may_write()))
        };
        assert_eq!(found(ONE), Some(("desk".to_owned(), true)));
        assert_eq!(found(TWO), Some(("grafana".to_owned(), false)));
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdeg",
            "0123456789abcdef0",
            "desk",
        ] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
        assert_eq!(AcceptedTokens::new(&[]).find(""), None);
    }

    #[tokio::test]
    async fn a_replacement_tells_what_changed_and_who_is_out() {
        let tokens = AcceptedTokens::new(&[
            named("desk", ONE, TokenRights::Write),
            named("grafana", TWO, TokenRights::Read),
        ]);
        let desk = tokens.find(ONE).unwrap();
        let changes = tokens.replace(&[
            named("grafana", TWO, TokenRights::Write),
            named("new", THREE, TokenRights::Read),
        ]);
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(
            changes,
            TokenChanges {
                added: names("new"),
                changed: names("grafana"),
                removed: names("desk"),
            }
        );
        tokens.revoked(&desk).await;
        assert_eq!(tokens.find(ONE), None);
        assert!(tokens.find(TWO).unwrap().may_write());
    }
}
