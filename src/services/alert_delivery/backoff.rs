//! When to try again: exponential backoff with full jitter, and what a receiver asks for. It reads
//! no clock.
//!
//! Full jitter: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.

use std::time::Duration;

#[cfg(feature = "server")]
use crate::timestamp::Timestamp;

/// The longest time that a receiver is given: to ask again each hour costs neither side anything,
/// and a clock that is wrong, or a header that is, does not silence a channel for days.
#[cfg(feature = "server")]
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The time before the next attempt, after so many: a random part of `base`, doubled with each
/// attempt after the first, at most `cap`.
pub(super) fn delay(attempts: u32, base: Duration, cap: Duration) -> Duration {
    ceiling(attempts, base, cap).mul_f64(fastrand::f64())
}

fn ceiling(attempts: u32, base: Duration, cap: Duration) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    base.saturating_mul(1 << doublings).min(cap)
}

/// Reads the header `Retry-After`: seconds, or an HTTP date (RFC 9110, 5.6.7: three forms,
/// all in UTC). An hour at most; `None` when it is neither.
#[cfg(feature = "server")]
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let seconds = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds {
        // More digits than fit are more than an hour, too.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let micros = http_date(text)?.micros().saturating_sub(now.micros());
    let wait = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    Some(wait.min(RETRY_AFTER_MAX))
}

/// A date as HTTP writes it.
#[cfg(feature = "server")]
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text).ok()?;
    let moment = jiff::Timestamp::try_from(date).ok()?;
    Timestamp::from_micros(moment.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(1);
    const CAP: Duration = Duration::from_secs(300);

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_never_overflows() {
        let seconds = |attempts| ceiling(attempts, BASE, CAP).as_secs();
        assert_eq!([1, 2, 3, 9, 10, 11].map(seconds), [1, 2, 4, 256, 300, 300]);
        assert_eq!(ceiling(u32::MAX, Duration::MAX, CAP), CAP);
    }

    #[test]
    fn the_delay_is_a_random_part_of_the_ceiling() {
        let delays: Vec<Duration> = (0..1_000).map(|_| delay(4, BASE, CAP)).collect();
        assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(8)));
        let below = |limit| delays.iter().filter(|d| d.as_secs_f64() < limit).count();
        // Each quarter holds some 250: 100 would be 14 standard deviations away.
        for quarter in 0..4 {
            let from = 2.0 * f64::from(quarter);
            assert!(below(from + 2.0) - below(from) > 100, "{quarter}");
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn retry_after_is_seconds_or_one_of_the_three_dates() {
        // RFC 9110's own example, a minute earlier.
        let now = Timestamp::from_micros((784_111_777 - 60) * 1_000_000).unwrap();
        let wait = |text: &str| retry_after(text, now).map(|wait| wait.as_secs());
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("3601", Some(3_600)),
            ("99999999999999999999", Some(3_600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(60)),
            ("Sun Nov  6 08:49:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 07:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", None),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(3_600)),
            ("", None),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(wait(text), expected, "{text:?}");
        }
    }
}
