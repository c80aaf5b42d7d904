//! A feed over HTTP: posts ticks to a running server at a steady rate, and says what became of
//! them.
//!
//! `cargo run --release --example feed -- 127.0.0.1:8000 [TICKS_PER_SECOND] [SECONDS]`: ten batches
//! a second over one connection, for the instruments with the ids 1 to 12. A batch that is late is
//! sent at once, so that the rate holds on average; the worst delay is told in the end.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tickbase::clock::Clock;

const BATCHES_PER_SECOND: u64 = 10;
const INSTRUMENTS: u64 = 12;

/// A connection that is kept for all batches.
struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Posts a batch; the status and the body of the answer.
    fn post(&mut self, batch: &str) -> Result<(u16, String), Box<dyn Error>> {
        let head = format!(
            "POST /api/market-data HTTP/1.1\r\nhost: feed\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            batch.len()
        );
        self.0.get_mut().write_all(head.as_bytes())?;
        self.0.get_mut().write_all(batch.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse().ok()).flatten()
        });
        let mut body = vec![0; length.ok_or("no content-length")?];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body)?))
    }
}

/// Ticks of now, one microsecond apart, walking up and down around 1,600.
fn batch(first: u64, count: u64) -> Result<String, Box<dyn Error>> {
    let now = Clock::system().now().micros();
    let mut text = String::from("[");
    for n in 0..count {
        let number = first + n;
        let comma = if n == 0 { "" } else { "," };
        let price = 1_600.0 + (number % 400) as f64 * 0.25;
        write!(
            text,
            r#"{comma}{{"instrument_id":{},"timestamp":{},"sequence":{number},"price":{price},"volume":1}}"#,
            number % INSTRUMENTS + 1,
            now + i64::try_from(n)?,
        )?;
    }
    text.push(']');
    Ok(text)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8000".to_owned());
    let rate: u64 = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut connection = Connection(BufReader::new(stream));
    let count = rate / BATCHES_PER_SECOND;
    let began = Instant::now();
    let (mut accepted, mut refused, mut latest) = (0, 0, Duration::ZERO);
    let mut reason = String::new();
    for number in 0..seconds * BATCHES_PER_SECOND {
        let due = Duration::from_millis(number * 1_000 / BATCHES_PER_SECOND);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let (status, body) = connection.post(&batch(number * count, count)?)?;
        if status == 200 && body.contains(&format!(r#""inserted":{count},"#)) {
            accepted += count;
        } else {
            refused += count;
            reason = format!("{status} {body}");
        }
        latest = latest.max(began.elapsed().saturating_sub(due));
    }
    let elapsed = began.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{accepted} ticks stored, {refused} not, {:.0} per second, answered at most {} ms after due {reason}",
        accepted as f64 / elapsed,
        latest.as_millis()
    )?;
    Ok(())
}
