//! The time zone of stamps that name none.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use serde::{Serialize, Serializer};

use super::Timestamp;
use super::digits::Digits;
use super::reading::MICROS_PER_SECOND;
use super::time_of_day::numeric_offset;
use crate::error::{Error, Result};

/// The zone in which a feed's stamps are written, unless they have an offset of their own.
///
/// Its text form is a name of the IANA time zone database (`America/New_York`), `UTC`, an offset
/// from UTC (`+05:30`), or `EST`: five hours behind UTC all year, as vendors of market data mean
/// it (histdata.com: "Eastern Standard Time (EST) time-zone WITHOUT Day Light Savings
/// adjustments"). The database is part of the program, so that every machine reads alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedZone(ZoneKind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum ZoneKind {
    Fixed { name: Box<str>, seconds: i32 },
    Iana(TimeZone),
}

/// The offsets that a wall clock can have in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offsets {
    One(i32),
    /// The clocks were set back: the time exists twice, first with the first offset.
    Two(i32, i32),
    /// The clocks were set forward: the time does not exist.
    None,
}

impl FeedZone {
    /// The offsets, in seconds east of UTC, of a wall clock; `None` outside jiff's calendar.
    pub(super) fn offsets(&self, local_micros: i64) -> Option<Offsets> {
        let zone = match &self.0 {
            ZoneKind::Fixed { seconds, .. } => return Some(Offsets::One(*seconds)),
            ZoneKind::Iana(zone) => zone,
        };
        let local = jiff::Timestamp::from_microsecond(local_micros).ok()?;
        let ambiguous = zone.to_ambiguous_timestamp(Offset::UTC.to_datetime(local));
        Some(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => Offsets::One(offset.seconds()),
            AmbiguousOffset::Gap { .. } => Offsets::None,
            AmbiguousOffset::Fold { before, after } => {
                Offsets::Two(before.seconds(), after.seconds())
            }
        })
    }
}

impl FeedZone {
    /// The wall clock of a moment, as if it were UTC.
    pub(crate) fn local_micros(&self, at: Timestamp) -> i64 {
        let seconds = match &self.0 {
            ZoneKind::Fixed { seconds, .. } => *seconds,
            ZoneKind::Iana(zone) => jiff::Timestamp::from_microsecond(at.micros())
                .map_or(0, |moment| zone.to_offset(moment).seconds()),
        };
        at.micros() + i64::from(seconds) * MICROS_PER_SECOND
    }
}

impl fmt::Display for FeedZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            ZoneKind::Fixed { name, .. } => name,
            ZoneKind::Iana(zone) => zone.iana_name().unwrap_or("UTC"),
        })
    }
}

impl Serialize for FeedZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for FeedZone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let seconds = match text {
            "UTC" | "GMT" | "Z" => Some(0),
            // Not New York's clocks: vendors who write `EST` mean UTC-5 in summer, too.
            "EST" => Some(-5 * 3600),
            _ if text.starts_with(['+', '-']) => {
                let offset = numeric_offset(Digits::new(text.as_bytes()));
                Some(offset.map_err(|_| refuse(text))?)
            }
            _ => None,
        };
        if let Some(seconds) = seconds {
            let name = text.into();
            return Ok(Self(ZoneKind::Fixed { name, seconds }));
        }
        // From the database that is compiled in: a fresh machine may have none, and another version
        // would read other moments.
        match TimeZone::get(text) {
            // `Etc/Unknown` is a name, and no zone.
            Ok(zone) if !zone.is_unknown() => Ok(Self(ZoneKind::Iana(zone))),
            _ => Err(refuse(text)),
        }
    }
}

fn refuse(text: &str) -> Error {
    Error::invalid(
        "time zone",
        format!("{text:?} is not known"),
        "name it like America/New_York, Europe/London, UTC, +05:30, or EST for UTC-5 all year",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offsets(zone: &str, local: &str) -> Offsets {
        let zone: FeedZone = zone.parse().unwrap();
        let local: jiff::civil::DateTime = local.parse().unwrap();
        let local = Offset::UTC.to_timestamp(local).unwrap();
        zone.offsets(local.as_microsecond()).unwrap()
    }

    #[test]
    fn zones_have_the_offsets_of_their_time() {
        for (zone, local, expected) in [
            ("UTC", "2024-07-01T12:00", Offsets::One(0)),
            ("+05:30", "2024-07-01T12:00", Offsets::One(19_800)),
            ("-0300", "2024-07-01T12:00", Offsets::One(-10_800)),
            ("EST", "2024-07-01T12:00", Offsets::One(-18_000)),
            (
                "America/New_York",
                "2024-01-02T12:00",
                Offsets::One(-18_000),
            ),
            (
                "america/new_york",
                "2024-07-01T12:00",
                Offsets::One(-14_400),
            ),
            (
                "America/New_York",
                "2023-11-05T01:30",
                Offsets::Two(-14_400, -18_000),
            ),
            ("America/New_York", "2024-03-10T02:30", Offsets::None),
            ("Europe/London", "2100-07-01T12:00", Offsets::One(3_600)),
            ("Asia/Kolkata", "2024-07-01T12:00", Offsets::One(19_800)),
        ] {
            assert_eq!(offsets(zone, local), expected, "{zone} {local}");
        }
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for zone in [
            "EDT",
            "PST",
            "New York",
            "+5",
            "+25:00",
            "",
            "Etc/Unknown",
            "local",
        ] {
            let error = zone.parse::<FeedZone>().unwrap_err().to_string();
            assert!(error.contains("America/New_York"), "{zone}: {error}");
        }
    }

    #[test]
    fn a_zone_is_written_as_it_is_read() {
        for zone in ["UTC", "+05:30", "EST", "America/New_York", "Europe/London"] {
            assert_eq!(zone.parse::<FeedZone>().unwrap().to_string(), zone);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_names_never_panic(text: String) {
            let _ = text.parse::<FeedZone>();
        }
    }
}
