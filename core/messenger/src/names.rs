//! Names of ENS that have led to somebody.
//!
//! A name can be sold, and whoever buys it decides where it leads. So the key that a name leads to first is the one that
//! it stands for here. That it leads elsewhere later is remembered with the person until its key was compared again or it
//! was removed; the name itself stands for nobody else before that.

use rand_core::CryptoRng;
use undertone_base::{StoreError, Unix};
use undertone_crypto::PublicKey;

use crate::fault::Fault;
use crate::limits::{MAX_NAME, MAX_ROWS};
use crate::messenger::Messenger;
use crate::rows::{ContactRow, NAMES, NameRow, name_key};
use crate::step::Step;
use crate::store::{Keys, Order, StoreTx, Table};

/// A name of ENS, and whom it stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamePin {
    /// The name, in lower case.
    pub name: String,
    /// Whose it was when it led to somebody first.
    pub key: PublicKey,
    /// That it has led to another key since.
    pub moved: Option<NameMoved>,
}

/// That a name leads to another key than before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NameMoved {
    /// Which one, when it was looked up last.
    pub to: PublicKey,
    /// When that was seen first.
    pub at: Unix,
}

impl Messenger {
    /// Every name that has led to somebody, in the order of the names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn names(&self, tx: &impl StoreTx) -> Result<Vec<NamePin>, StoreError> {
        let rows = tx.scan_prefix(Table::Meta, NAMES, Order::Ascending, MAX_ROWS)?;
        rows.into_iter().map(|(key, row)| NameRow::from_bytes(&row)?.pin(&key)).collect()
    }

    /// Whom a name stands for; none when it has never led to anybody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn name(&self, tx: &impl StoreTx, name: &str) -> Result<Option<NamePin>, StoreError> {
        let key = name_key(&name.to_lowercase());
        tx.get(Table::Meta, &key)?.map(|row| NameRow::from_bytes(&row)?.pin(&key)).transpose()
    }
}

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// A name leads to this key now. The contact that we call by it, else the key that it led to first, is the one that
    /// it stands for.
    pub(crate) fn name_led_to(&mut self, name: &str, to: &PublicKey) -> Result<(), Fault> {
        let name = name.to_lowercase();
        if name.len() > MAX_NAME || !name.ends_with(".eth") || name.chars().any(crate::contacts::deceives) {
            return Err(Fault::Name);
        }
        let key = name_key(&name);
        let before = self.tx.get(Table::Meta, &key)?.as_deref().map(NameRow::from_bytes).transpose()?;
        let holder = self.called(&name)?.or_else(|| before.as_ref().map(|row| row.key)).unwrap_or(*to);
        let seen = before.as_ref().filter(|row| row.key == holder).and_then(|row| row.moved);
        let moved = match seen {
            _ if holder != *to => Some(NameMoved { to: *to, at: seen.map_or(self.now.unix, |seen| seen.at) }),
            seen => seen,
        };
        let row = NameRow { key: holder, moved };
        if before.as_ref() != Some(&row) {
            self.tx.put(Table::Meta, &key, &row.to_bytes())?;
        }
        Ok(())
    }

    /// Names that stood for a person stand for nobody.
    pub(crate) fn forget_names(&mut self, person: &PublicKey) -> Result<(), Fault> {
        for (key, _) in self.names_of(person)? {
            self.tx.delete(Table::Meta, &key)?;
        }
        Ok(())
    }

    /// The key of a person was compared: it is no question any more whether it changed. Its names stand for it.
    pub(crate) fn settle_names(&mut self, person: &PublicKey) -> Result<(), Fault> {
        for (key, row) in self.names_of(person)? {
            if row.moved.is_some() {
                self.tx.put(Table::Meta, &key, &NameRow { moved: None, ..row }.to_bytes())?;
            }
        }
        Ok(())
    }

    fn names_of(&self, person: &PublicKey) -> Result<Vec<(Vec<u8>, NameRow)>, StoreError> {
        let mut names = Vec::new();
        for (key, row) in self.tx.scan_prefix(Table::Meta, NAMES, Order::Ascending, MAX_ROWS)? {
            let row = NameRow::from_bytes(&row)?;
            if row.key == *person {
                names.push((key, row));
            }
        }
        Ok(names)
    }

    /// The contact with this nickname.
    fn called(&self, name: &str) -> Result<Option<PublicKey>, StoreError> {
        for (key, row) in self.tx.scan(Table::Contact, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            if ContactRow::from_bytes(&row)?.nickname.to_lowercase() == name {
                let key = PublicKey::from_compressed(&key).map_err(|_| StoreError::Corrupt("contact"))?;
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}
