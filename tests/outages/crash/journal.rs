//! What the producers were told about each batch, and whether the database agrees. It knows
//! nothing of how the end came.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Condition, RuleType};
use tickbase::models::NewAlertRule;
use tickbase::timestamp::Timestamp;

use crate::support::TestDatabase;

/// 2024-01-01 00:00 UTC; tick number `n` is `n` microseconds later.
const BEGINNING: i64 = 1_704_067_200_000_000;
/// The ticks go round the first of the seeded instruments.
pub const INSTRUMENTS: i64 = 3;
/// The one whose rules fire.
pub const WATCHED: i64 = 1;
/// Numbers of one process, so many that none comes to their end.
pub const NUMBERS: i64 = 1_000_000_000;
/// Volumes go round below this; one of them is above the threshold of the rule.
const VOLUMES: i64 = 30;

/// The ticks `first .. first + size`, which are stored by one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Batch {
    pub first: i64,
    pub size: i64,
}

/// What a producer says of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The call begins.
    Started,
    /// The call returned: the batch is stored.
    Stored,
    /// The call failed: nothing of the batch is stored.
    Refused,
    /// The call failed, and nobody knows whether the batch is stored.
    Unknown,
}

/// The last word on each batch, by its first number.
#[derive(Debug, Default)]
pub struct Journal {
    batches: BTreeMap<i64, (Batch, Word)>,
}

impl Batch {
    /// Its ticks. The number is the price; the writer gives the sequence, so that a tick that is
    /// stored twice is there twice.
    pub fn ticks(&self) -> Vec<Tick> {
        self.numbers().map(numbered).collect()
    }

    fn numbers(&self) -> Range<i64> {
        self.first..self.first + self.size
    }
}

fn numbered(number: i64) -> Tick {
    let instrument_id = 1 + number.rem_euclid(INSTRUMENTS);
    // The ticks of the watched one have one stamp for each process. None of them is late then,
    // whichever producer is first: what fires depends on what is stored alone.
    let micros = if instrument_id == WATCHED {
        number.div_euclid(NUMBERS) * NUMBERS
    } else {
        number
    };
    let timestamp = Timestamp::from_micros(BEGINNING + micros).unwrap();
    Tick::try_from(RawTick {
        instrument_id: Some(instrument_id),
        timestamp: Some(timestamp),
        price: Some(number as f64),
        volume: Some((number.div_euclid(INSTRUMENTS).rem_euclid(VOLUMES)) as f64),
        ..RawTick::default()
    })
    .unwrap()
}

/// Fires on one of [`VOLUMES`] watched ticks, without a pause.
pub fn rule() -> NewAlertRule {
    NewAlertRule {
        condition: Some(Condition::VolumeAbove),
        threshold: Some((VOLUMES - 2).to_string().parse().unwrap()),
        cooldown_seconds: 0,
        ..NewAlertRule::new(WATCHED, RuleType::VolumeSpike)
    }
}

impl Word {
    const ALL: [Self; 4] = [Self::Started, Self::Stored, Self::Refused, Self::Unknown];
}

/// The line that a child process writes.
pub fn line(batch: Batch, word: Word) -> String {
    format!("{word:?} {} {}\n", batch.first, batch.size)
}

/// The batch and the word of such a line, or `None` for any other.
pub fn parse(line: &str) -> Option<(Batch, Word)> {
    let mut parts = line.split(' ');
    let name = parts.next()?;
    let word = Word::ALL.into_iter().find(|w| format!("{w:?}") == name)?;
    let first = parts.next()?.parse().ok()?;
    let size = parts.next()?.parse().ok()?;
    parts
        .next()
        .is_none()
        .then_some((Batch { first, size }, word))
}

impl Journal {
    /// Writes a word down. A batch that was refused may be started again.
    pub fn note(&mut self, batch: Batch, word: Word) {
        let before = self.batches.insert(batch.first, (batch, word));
        let allowed = match before.map(|(_, word)| word) {
            None | Some(Word::Refused) => word == Word::Started,
            Some(Word::Started) => word != Word::Started,
            Some(Word::Stored | Word::Unknown) => false,
        };
        assert!(allowed, "{batch:?}: {word:?} after {before:?}");
    }

    /// How many batches there are.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// How many batches have this as their last word.
    pub fn count(&self, word: Word) -> usize {
        self.batches.values().filter(|(_, w)| *w == word).count()
    }

    /// Takes over the words on other batches.
    pub fn extend(&mut self, later: Self) {
        self.batches.extend(later.batches);
    }

    /// Where what is stored contradicts what was said; empty when all is well.
    pub fn contradictions(&self, stored: &Stored) -> Vec<String> {
        let mut found: Vec<String> = stored
            .copies
            .iter()
            .filter(|(_, copies)| **copies != 1)
            .map(|(number, copies)| format!("tick {number} is stored {copies} times"))
            .collect();
        let mut explained = 0;
        for (batch, word) in self.batches.values() {
            let there = stored.copies.range(batch.numbers()).count();
            explained += there;
            let size = batch.size as usize;
            if there != 0 && there != size {
                found.push(format!("{there} ticks of {batch:?} are stored ({word:?})"));
            } else if *word == Word::Stored && there == 0 {
                found.push(format!("{batch:?} was acknowledged and is gone"));
            } else if *word == Word::Refused && there != 0 {
                found.push(format!("{batch:?} was refused and is stored"));
            }
        }
        if explained != stored.copies.len() {
            found.push(format!(
                "{} ticks are stored that nobody sent",
                stored.copies.len() - explained
            ));
        }
        found.extend(stored.damage.clone());
        found
    }
}

/// What a database holds.
#[derive(Debug, Default)]
pub struct Stored {
    /// How often each number is there, not counting deleted ticks.
    copies: BTreeMap<i64, u32>,
    /// What else is wrong with it.
    damage: Vec<String>,
    alerts: usize,
}

impl Stored {
    /// Reads a database through a bare connection.
    pub fn of(db: &TestDatabase) -> Self {
        let mut stored = Self::default();
        let numbers = db.texts(
            "SELECT CAST(CAST(price AS BIGINT) AS TEXT) AS text FROM market_data \
             WHERE deleted_at IS NULL",
        );
        for number in numbers {
            *stored.copies.entry(number.parse().unwrap()).or_default() += 1;
        }
        stored.damage = damage(db);
        stored.damage.extend(misfired(db));
        let alerts = db.texts("SELECT CAST(count(*) AS TEXT) AS text FROM alert_logs");
        stored.alerts = alerts[0].parse().unwrap();
        stored
    }

    /// How many alerts there are.
    pub fn alerts(&self) -> usize {
        self.alerts
    }

    /// How many ticks there are.
    pub fn ticks(&self) -> usize {
        self.copies.len()
    }
}

/// What the database itself finds wrong, and instruments whose last tick is none of theirs: it is
/// written by the same call as the ticks.
fn damage(db: &TestDatabase) -> Vec<String> {
    let mut found = db.texts(
        "SELECT 'the last tick of ' || symbol || ' is not its last' AS text FROM instruments i \
         JOIN instrument_state s ON s.instrument_id = i.id \
         WHERE last_tick IS DISTINCT FROM \
           (SELECT max(\"timestamp\") FROM market_data m WHERE m.instrument_id = i.id)",
    );
    if db.dir().is_some() {
        let integrity = "SELECT integrity_check AS text FROM pragma_integrity_check \
                         WHERE integrity_check <> 'ok'";
        let orphans = "SELECT 'an orphan in ' || \"table\" AS text FROM pragma_foreign_key_check";
        found.extend(db.texts(integrity));
        found.extend(db.texts(orphans));
    }
    found
}

/// Alerts that stored ticks demand and that are not there exactly once, alerts that none demands,
/// and rules that do not know of their last alert.
fn misfired(db: &TestDatabase) -> Vec<String> {
    let same_tick = "a.instrument_id = m.instrument_id AND a.\"timestamp\" = m.\"timestamp\" \
                     AND a.source_id = m.source_id AND a.sequence = m.sequence";
    let matching = "m.instrument_id = r.instrument_id AND m.volume > 28 AND m.deleted_at IS NULL";
    let mut found = db.texts(&format!(
        "SELECT 'tick ' || CAST(CAST(price AS BIGINT) AS TEXT) || ' fired ' || CAST(n AS TEXT) \
         || ' times' AS text FROM (SELECT m.price, (SELECT count(*) FROM alert_logs a \
         WHERE a.rule_id = r.id AND {same_tick}) AS n \
         FROM alert_rules r JOIN market_data m ON {matching}) AS counted WHERE n <> 1"
    ));
    found.extend(db.texts(&format!(
        "SELECT 'alert ' || CAST(a.id AS TEXT) || ' was not demanded' AS text FROM alert_logs a \
         JOIN alert_rules r ON r.id = a.rule_id \
         WHERE NOT EXISTS (SELECT 1 FROM market_data m WHERE {same_tick} AND {matching})"
    )));
    found.extend(db.texts(
        "SELECT 'the last firing of a rule is not its last' AS text FROM alert_rules r \
         WHERE last_triggered IS DISTINCT FROM \
           (SELECT max(\"timestamp\") FROM alert_logs a WHERE a.rule_id = r.id)",
    ));
    found
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Word::ALL.map(|word| format!("{} {word:?}", self.count(word)));
        f.write_str(&counts.join(", "))
    }
}

#[test]
fn a_journal_names_what_is_lost_torn_doubled_and_unasked() {
    let batch = |first| Batch { first, size: 3 };
    let mut journal = Journal::default();
    for (first, word) in [(0, Word::Stored), (3, Word::Stored), (6, Word::Refused)] {
        journal.note(batch(first), Word::Started);
        journal.note(batch(first), word);
    }
    journal.note(batch(9), Word::Started);
    let stored = |numbers: &[i64]| {
        let mut stored = Stored::default();
        for number in numbers {
            *stored.copies.entry(*number).or_default() += 1;
        }
        journal.contradictions(&stored).join("; ")
    };
    assert_eq!(stored(&[0, 1, 2, 3, 4, 5]), "");
    assert_eq!(stored(&[0, 1, 2, 3, 4, 5, 9, 10, 11]), "");
    assert!(stored(&[0, 1, 2]).contains("acknowledged and is gone"));
    assert!(stored(&[0, 1, 2, 3, 4]).contains("2 ticks of"));
    assert!(stored(&[0, 1, 2, 3, 4, 5, 9]).contains("1 ticks of"));
    assert!(stored(&[0, 1, 2, 3, 4, 5, 5]).contains("tick 5 is stored 2 times"));
    assert!(stored(&[0, 1, 2, 3, 4, 5, 6, 7, 8]).contains("refused and is stored"));
    assert!(stored(&[0, 1, 2, 3, 4, 5, 99]).contains("nobody sent"));
}
