//! New accounts, and those that exist elsewhere.

use undertone_account::{ChatKey, ExtendedKey, Language, Mnemonic, WordCount};
use undertone_crypto::SecretKey;
use undertone_runtime::Environment;

use super::{Account, Accounts, AccountsError};

impl Accounts {
    /// Makes an account with new words. The words are the account: whoever has them has it, and no file keeps them. Slow on
    /// purpose (scrypt): in async code on [`tokio::task::spawn_blocking`].
    ///
    /// ```
    /// use undertone::Accounts;
    /// use undertone::account::keystore::ScryptParams;
    /// use undertone::account::{Language, WordCount};
    /// use undertone::runtime::Environment;
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    ///
    /// let env = Environment::system()?;
    /// // Cheap, for this example: leave `with_scrypt` out, and key files cost what geth's do.
    /// let accounts = Accounts::new(dir).with_scrypt(ScryptParams::new(1_024, 8, 1)?);
    /// let (account, words) = accounts.create(WordCount::Twelve, Language::English, "password", &env)?;
    /// println!("write these down: {}", words.expose_words());
    /// assert_eq!(accounts.find(None)?, account);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AccountsError::File`], [`AccountsError::Io`].
    pub fn create(
        &self,
        words: WordCount,
        language: Language,
        password: &str,
        env: &Environment,
    ) -> Result<(Account, Mnemonic), AccountsError> {
        let words = Mnemonic::generate(words, language, &mut env.rng());
        Ok((self.import(&words, password, env)?, words))
    }

    /// Adds the account of these words, as Status makes it of them: no passphrase, the first chat key. Slow on purpose
    /// (scrypt).
    ///
    /// # Errors
    /// [`AccountsError::Exists`], [`AccountsError::File`], [`AccountsError::Io`].
    pub fn import(
        &self,
        words: &Mnemonic,
        password: &str,
        env: &Environment,
    ) -> Result<Account, AccountsError> {
        let key = ChatKey::derive(&ExtendedKey::master(&words.seed(""))?)?;
        self.add(&key, password, env.now().unix, &mut env.rng())
    }

    /// Adds the account of a private key, say of [`SecretKey::from_hex`]. There are no words for it. Slow on purpose
    /// (scrypt).
    ///
    /// # Errors
    /// [`AccountsError::Exists`], [`AccountsError::File`], [`AccountsError::Io`].
    pub fn import_key(
        &self,
        key: SecretKey,
        password: &str,
        env: &Environment,
    ) -> Result<Account, AccountsError> {
        self.add(&ChatKey::new(key), password, env.now().unix, &mut env.rng())
    }
}

#[cfg(test)]
mod tests {
    use undertone_account::keystore::ScryptParams;

    use super::*;

    #[test]
    fn an_account_comes_back_from_its_words_and_from_its_key() {
        let (dir, env) = (tempfile::tempdir().unwrap(), Environment::system().unwrap());
        let cheap =
            |name| Accounts::new(&dir.path().join(name)).with_scrypt(ScryptParams::new(1_024, 8, 1).unwrap());
        let (made, words) = cheap("made").create(WordCount::Fifteen, Language::Spanish, "one", &env).unwrap();
        assert_eq!(words.expose_words().split_whitespace().count(), 15);
        let key = made.unlock("one").unwrap();

        let typed = Mnemonic::parse(words.expose_words()).unwrap();
        let by_words = cheap("words").import(&typed, "two", &env).unwrap();
        assert_eq!(by_words.unlock("two").unwrap().public(), key.public());
        assert!(matches!(cheap("words").import(&typed, "x", &env), Err(AccountsError::Exists(_))));

        let by_key = cheap("key").import_key(key.clone().into_secret_key(), "three", &env).unwrap();
        assert_eq!((by_key.address, by_key.key), (made.address, Some(key.public())));
        assert_eq!(cheap("key").find(None).unwrap(), by_key);
    }

    #[test]
    fn words_make_the_account_that_status_makes_of_them() {
        let (dir, env) = (tempfile::tempdir().unwrap(), Environment::system().unwrap());
        let words = ["abandon"; 11].join(" ") + " about";
        let accounts = Accounts::new(dir.path()).with_scrypt(ScryptParams::new(1_024, 8, 1).unwrap());
        let account = accounts.import(&Mnemonic::parse(&words).unwrap(), "pw", &env).unwrap();
        assert_eq!(account.address.to_string(), "0x5173cfDdE36D0D6f3b3F3B1E59872bFC50102fA2");
    }
}
