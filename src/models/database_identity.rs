//! Which database it is.

use diesel::prelude::*;

use crate::tables::tickbase_database;
use crate::timestamp::Timestamp;

/// Which database it is, by a number that is drawn when its schema is made. A copy of its files has
/// the same one, and so has a backup.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = tickbase_database)]
#[non_exhaustive]
pub struct DatabaseIdentity {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Which of its histories: a restoration begins another one. Versions of two histories cannot be
    /// compared.
    pub history: String,
    /// When the number was drawn, by the database's clock.
    pub created_at: Timestamp,
    /// In a backup, when it was made: what was committed before that is in it. `None` in a database
    /// that is in use.
    pub backed_up_at: Option<Timestamp>,
}
