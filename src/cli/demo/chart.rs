//! A small chart of prices in text.

const WIDTH: usize = 64;
const HEIGHT: usize = 8;
/// Eighths of a cell, from one to all.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws the last price of each of [`WIDTH`] equal shares of the prices, as columns between the
/// lowest and the highest; nothing when there are no prices.
pub(super) fn of_prices(prices: &[f64]) -> String {
    let columns = shares(prices);
    let low = columns.iter().copied().fold(f64::INFINITY, f64::min);
    let high = columns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if columns.is_empty() {
        return String::new();
    }
    let eighths: Vec<usize> = columns
        .iter()
        .map(|price| height(*price, low, high))
        .collect();
    let mut text = String::new();
    for row in (0..HEIGHT).rev() {
        let label = match row {
            0 => format!("{low:>10}"),
            row if row == HEIGHT - 1 => format!("{high:>10}"),
            _ => " ".repeat(10),
        };
        let cells: String = eighths.iter().map(|eighths| cell(*eighths, row)).collect();
        text.push_str(&format!("{label} {}\n", cells.trim_end()));
    }
    text
}

fn shares(prices: &[f64]) -> Vec<f64> {
    let count = prices.len().min(WIDTH);
    (1..=count)
        .map(|share| prices[share * prices.len() / count - 1])
        .collect()
}

/// The height of a column in eighths, at least one.
fn height(price: f64, low: f64, high: f64) -> usize {
    let share = if high > low {
        (price - low) / (high - low)
    } else {
        1.0
    };
    1 + (share * (HEIGHT * BLOCKS.len() - 1) as f64).round() as usize
}

fn cell(eighths: usize, row: usize) -> char {
    match eighths.saturating_sub(row * BLOCKS.len()) {
        0 => ' ',
        part => BLOCKS[part.min(BLOCKS.len()) - 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_spans_from_the_lowest_to_the_highest_price() {
        let prices: Vec<f64> = (0..1_000).map(f64::from).collect();
        let chart = of_prices(&prices);
        let rows: Vec<&str> = chart.lines().collect();
        assert_eq!(rows.len(), HEIGHT);
        assert!(rows[0].starts_with("       999") && rows[0].ends_with('█'));
        assert!(
            rows[HEIGHT - 1].starts_with("        14 ▁"),
            "{}",
            rows[HEIGHT - 1]
        );
        assert_eq!(rows[HEIGHT - 1].chars().count(), 11 + WIDTH);
    }

    #[test]
    fn equal_prices_and_no_prices_are_drawn_too() {
        assert_eq!(of_prices(&[]), "");
        assert_eq!(of_prices(&[5.0]).lines().count(), HEIGHT);
        assert!(of_prices(&[-37.63, -37.63]).contains("██"));
    }
}
