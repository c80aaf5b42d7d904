//! Every formula held to what the TA-Lib C library, pandas, numpy and scipy make of real prices;
//! `tests/fixtures/analytics/make.py` wrote the expected values.

use serde_json::Value;

use super::indicators::{self, IndicatorLine};
use super::*;
use crate::domain::Candle;
use crate::timestamp::Timestamp;

const MSFT: &str = include_str!("../../../tests/fixtures/analytics/msft-1min.csv");
const SP500: &str = include_str!("../../../tests/fixtures/analytics/sp500-daily.csv");
const EXPECTED: &str = include_str!("../../../tests/fixtures/analytics/expected.json");

/// Relative; sums that are near zero are compared on the scale of what they are made of.
const TOLERANCE: f64 = 1e-9;

pub(super) fn msft() -> Vec<Candle> {
    let candle = |line: &str| {
        let (stamp, rest) = line.split_once(',').unwrap();
        candle(&stamp.replace(' ', "T"), &numbers(rest), 4)
    };
    MSFT.lines().skip(1).map(candle).collect()
}

pub(super) fn sp500() -> Vec<Candle> {
    let candle = |line: &str| {
        let (date, rest) = line.split_once(',').unwrap();
        let parts: Vec<u16> = date.split('/').map(|part| part.parse().unwrap()).collect();
        let stamp = format!("{}-{:02}-{:02}T00:00:00Z", parts[2], parts[0], parts[1]);
        candle(&stamp, &numbers(rest), 5)
    };
    SP500.lines().skip(1).map(candle).collect()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(',')
        .map(|number| number.parse().unwrap())
        .collect()
}

fn candle(stamp: &str, values: &[f64], volume: usize) -> Candle {
    Candle {
        timestamp: stamp.parse().unwrap(),
        open: values[0],
        high: values[1],
        low: values[2],
        close: values[3],
        volume: values[volume],
    }
}

/// Each set of bars with what is expected of it.
fn sets() -> [(Vec<Candle>, Value); 2] {
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    let sets = [
        (msft(), expected["msft"].clone()),
        (sp500(), expected["sp500"].clone()),
    ];
    for (candles, expected) in &sets {
        assert_eq!(candles.len() as u64, expected["bars"].as_u64().unwrap());
    }
    sets
}

#[track_caller]
fn near(found: f64, expected: &Value, scale: f64, what: &str) {
    let expected = expected.as_f64().unwrap();
    let difference = (found - expected).abs();
    let allowed = TOLERANCE * expected.abs().max(scale);
    assert!(
        difference <= allowed,
        "{what}: {found}, expected {expected}"
    );
}

fn closes(candles: &[Candle]) -> Vec<f64> {
    PriceColumns::of(candles).close
}

fn period(bars: u16) -> LookbackPeriod {
    LookbackPeriod::new(bars).unwrap()
}

#[track_caller]
fn line(found: &IndicatorLine, expected: &Value, scale: f64, name: &str) {
    let expected = &expected["indicators"][name];
    assert_eq!(
        found.start() as u64,
        expected["start"].as_u64().unwrap(),
        "{name}"
    );
    let at = expected["at"].as_array().unwrap();
    let values = expected["values"].as_array().unwrap();
    assert!(at.len() > 100, "{name} is compared at {} bars", at.len());
    for (at, value) in at.iter().zip(values) {
        let bar = usize::try_from(at.as_u64().unwrap()).unwrap();
        near(
            found.at(bar).unwrap(),
            value,
            scale,
            &format!("{name} at {bar}"),
        );
    }
    near(found.last(), values.last().unwrap(), scale, name);
}

#[test]
fn indicators_are_those_of_the_c_library() {
    for (candles, expected) in sets() {
        let of = PriceColumns::of(&candles);
        let close = &of.close;
        for n in [20, 50, 200] {
            let sma = indicators::sma(close, period(n)).unwrap();
            line(&sma, &expected, 0.0, &format!("sma_{n}"));
            let ema = indicators::ema(close, period(n)).unwrap();
            line(&ema, &expected, 0.0, &format!("ema_{n}"));
        }
        let fourteen = period(14);
        let three = period(3);
        line(
            &indicators::rsi(close, fourteen).unwrap(),
            &expected,
            0.0,
            "rsi",
        );
        line(
            &indicators::atr(&of, fourteen).unwrap(),
            &expected,
            0.0,
            "atr",
        );
        line(
            &indicators::adx(&of, fourteen).unwrap(),
            &expected,
            0.0,
            "adx",
        );
        let williams = indicators::williams_r(&of, fourteen).unwrap();
        line(&williams, &expected, 1.0, "williams_r");
        let stochastic = indicators::stochastic(&of, fourteen, three, three).unwrap();
        line(&stochastic.k, &expected, 1.0, "stochastic_k");
        line(&stochastic.d, &expected, 1.0, "stochastic_d");
        let macd = indicators::macd(close, period(12), period(26), period(9)).unwrap();
        // A difference of averages: its digits are those of prices.
        line(&macd.macd, &expected, 1.0, "macd");
        line(&macd.signal, &expected, 1.0, "macd_signal");
        line(&macd.histogram, &expected, 1.0, "macd_histogram");
        let bands = indicators::bollinger(close, period(20), 2.0).unwrap();
        line(&bands.upper, &expected, 0.0, "bollinger_upper");
        line(&bands.middle, &expected, 0.0, "bollinger_middle");
        line(&bands.lower, &expected, 0.0, "bollinger_lower");
    }
}

#[test]
fn returns_and_what_is_made_of_them_are_those_of_pandas() {
    for (candles, expected) in sets() {
        let close = closes(&candles);
        let expected = &expected["risk"];
        let year = PerYear::new(252.0).unwrap();
        let total = returns::total(&close).unwrap();
        near(total, &expected["total_return"], 0.0, "total return");
        let simple = returns::simple(&close).unwrap();
        let mean = returns::mean(&simple).unwrap();
        near(mean, &expected["mean_simple"], 1e-4, "mean return");
        let deviation = returns::deviation(&returns::logarithmic(&close).unwrap()).unwrap();
        near(
            deviation,
            &expected["deviation_logarithmic"],
            0.0,
            "deviation",
        );
        let volatility = returns::volatility(&close, year).unwrap();
        near(volatility, &expected["volatility"], 0.0, "volatility");
        let sharpe = returns::sharpe(&close, 0.02, year).unwrap();
        near(sharpe, &expected["sharpe"], 0.0, "Sharpe");
    }
}

#[test]
fn the_maximum_drawdown_has_depth_and_dates() {
    for (candles, expected) in sets() {
        let expected = &expected["risk"]["drawdown"];
        let found = max_drawdown(&candles).unwrap();
        near(found.depth, &expected["depth"], 0.0, "depth");
        let micros = |name: &str| expected[name].as_i64();
        assert_eq!(Some(found.peak_at.micros()), micros("peak_at"));
        assert_eq!(Some(found.trough_at.micros()), micros("trough_at"));
        assert_eq!(
            found.recovered_at.map(Timestamp::micros),
            micros("recovered_at")
        );
    }
}

#[test]
fn value_at_risk_and_shortfall_are_those_of_numpy_and_scipy() {
    for (candles, expected) in sets() {
        let close = closes(&candles);
        for case in expected["risk"]["value_at_risk"].as_array().unwrap() {
            let confidence = Confidence::new(case["confidence"].as_f64().unwrap()).unwrap();
            let bars = u16::try_from(case["horizon"].as_u64().unwrap()).unwrap();
            let horizon = Horizon::new(bars).unwrap();
            for (method, name) in [
                (RiskMethod::Historical, "historical"),
                (RiskMethod::Parametric, "parametric"),
                (RiskMethod::MonteCarlo(Simulation::default()), "monte_carlo"),
            ] {
                let found = value_at_risk(&close, method, confidence, horizon).unwrap();
                assert_eq!(found.observations, close.len() - 1);
                near(found.value_at_risk, &case[name][0], 0.0, name);
                near(found.expected_shortfall, &case[name][1], 0.0, name);
            }
        }
    }
}

/// The series against which make.py holds a series: its means of three bars, every second one, and
/// powers of every third.
fn others(candles: &[Candle]) -> (Vec<Candle>, Vec<Candle>) {
    let rolling: Vec<Candle> = (2..candles.len())
        .step_by(2)
        .map(|at| {
            let close = candles[at - 2..=at]
                .iter()
                .map(|candle| candle.close)
                .sum::<f64>()
                / 3.0;
            Candle {
                close,
                ..candles[at]
            }
        })
        .collect();
    let power: Vec<Candle> = candles
        .iter()
        .step_by(3)
        .map(|candle| Candle {
            close: candle.close.powf(1.5),
            ..*candle
        })
        .collect();
    (rolling, power)
}

#[test]
fn beta_and_correlation_are_those_of_pandas_on_common_moments() {
    for (candles, expected) in sets() {
        let (rolling, power) = others(&candles);
        let matrix = correlations(&[&candles, &rolling, &power]);
        for (name, a, b, row, column) in [
            ("rolling", &candles, &rolling, 0, 1),
            ("power", &candles, &power, 0, 2),
            ("both", &rolling, &power, 1, 2),
        ] {
            let expected = &expected["together"][name];
            let found = beta(a, b).unwrap();
            assert_eq!(
                Some(found.observations as u64),
                expected["observations"].as_u64()
            );
            near(found.beta, &expected["beta"], 0.0, name);
            let cell = matrix.rows[row][column];
            assert_eq!(
                Some(cell.observations as u64),
                expected["observations"].as_u64()
            );
            near(
                cell.coefficient.unwrap(),
                &expected["correlation"],
                0.0,
                name,
            );
            assert_eq!(cell, matrix.rows[column][row]);
        }
    }
}

#[test]
fn a_volume_profile_is_that_of_its_definition() {
    for (candles, expected) in sets() {
        for expected in expected["profile"].as_array().unwrap() {
            let rows = u32::try_from(expected["rows"].as_u64().unwrap()).unwrap();
            let found = volume_profile(&candles, Buckets::new(rows).unwrap()).unwrap();
            near(found.total_volume, &expected["total"], 0.0, "total");
            let volumes = expected["volume"].as_array().unwrap();
            assert_eq!(found.buckets.len(), volumes.len());
            for (bucket, volume) in found.buckets.iter().zip(volumes) {
                // Shares of bars are differences of prices.
                near(bucket.volume, volume, found.total_volume / 100.0, "bucket");
            }
            let index = |name: &str| expected[name].as_u64().unwrap() as usize;
            assert_eq!(found.point_of_control, index("control"));
            let area = (found.value_area_first, found.value_area_last);
            assert_eq!(area, (index("first"), index("last")));
        }
    }
}

#[test]
fn levels_and_crosses_are_those_of_their_definition() {
    for (candles, expected) in sets() {
        let of = PriceColumns::of(&candles);
        let found = levels(&of).unwrap();
        for (name, found) in [
            ("support", &found.support),
            ("resistance", &found.resistance),
        ] {
            let expected = expected["levels"][name].as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{name}");
            for (level, expected) in found.iter().zip(expected) {
                near(level.price, &expected["price"], 0.0, name);
                assert_eq!(Some(level.touches as u64), expected["touches"].as_u64());
            }
        }
        let found = cross(&of.close).unwrap().unwrap();
        assert_eq!(Some(found.bar as u64), expected["cross"]["bar"].as_u64());
        let is_golden = expected["cross"]["kind"] == "golden";
        assert_eq!(found.kind == CrossKind::Golden, is_golden);
    }
}

#[test]
fn the_normal_distribution_is_that_of_scipy() {
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    for row in expected["normal"].as_array().unwrap() {
        let quantile = normal_quantile(row[0].as_f64().unwrap());
        near(quantile, &row[1], 0.0, "quantile");
        near(normal_density(quantile), &row[2], 0.0, "density");
    }
}

#[test]
fn losses_and_the_form_of_returns_are_those_of_pandas_and_scipy() {
    for (candles, expected) in sets() {
        let (close, expected) = (closes(&candles), &expected["losses"]);
        let year = PerYear::new(252.0).unwrap();
        let simple = returns::simple(&close).unwrap();
        for (name, found) in [
            ("skewness", skewness(&simple)),
            ("kurtosis", kurtosis(&simple)),
            ("downside_deviation", downside_deviation(&close, year)),
            ("sortino", sortino(&close, year)),
            ("calmar", calmar(&candles, year)),
        ] {
            near(found.unwrap(), &expected[name], 0.0, name);
        }
    }
    let year = PerYear::new(252.0).unwrap();
    let rising: Vec<f64> = (1..9).map(f64::from).collect();
    assert_eq!(sortino(&rising, year), Err(Missing::NoVariance));
    assert_eq!(kurtosis(&[1.0; 9]), Err(Missing::NoVariance));
}

#[test]
fn a_matrix_on_common_moments_has_the_eigenvalues_of_numpy() {
    for (candles, expected) in sets() {
        let (rolling, power) = others(&candles);
        let year = PerYear::new(252.0).unwrap();
        for (name, a, b) in [
            ("rolling", &candles, &rolling),
            ("power", &candles, &power),
            ("both", &rolling, &power),
        ] {
            let found = tracking_error(a, b, year).unwrap();
            near(
                found,
                &expected["together"][name]["tracking_error"],
                0.0,
                name,
            );
        }
        let expected = &expected["joint"];
        let common = in_common(&[&candles, &rolling, &power]);
        let series: Vec<&[Candle]> = common.iter().map(Vec::as_slice).collect();
        let rows = correlations(&series).rows;
        let mut matrix = vec![Vec::new(); 3];
        for (row, cells) in rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                let expected_one = &expected["matrix"][row][column];
                near(cell.coefficient.unwrap(), expected_one, 0.0, "correlation");
                assert_eq!(
                    Some(cell.observations as u64),
                    expected["observations"].as_u64()
                );
                matrix[row].push(cell.coefficient.unwrap());
            }
        }
        let values = eigenvalues(&matrix).unwrap();
        for (found, expected) in values
            .iter()
            .zip(expected["eigenvalues"].as_array().unwrap())
        {
            near(*found, expected, 1.0, "eigenvalue");
        }
        // The smallest eigenvalue has fewer true digits than the matrix.
        let condition = condition_number(&values).unwrap();
        let expected = expected["condition"].as_f64().unwrap();
        assert!(
            (condition / expected - 1.0).abs() < 1e-6,
            "{condition}, expected {expected}"
        );
    }
}

#[test]
fn outliers_and_the_line_through_closes_are_those_of_scipy() {
    for (candles, expected) in sets() {
        let found = outliers(&candles).unwrap();
        let outliers = expected["outliers"].as_array().unwrap();
        assert_eq!(found.len(), outliers.len());
        for (found, expected) in found.iter().zip(outliers) {
            near(found.score, &expected["score"], 0.0, "score");
            assert_eq!(Some(found.bar as u64), expected["bar"].as_u64());
        }
        let close = closes(&candles);
        let line = trend_line(&close[close.len() - 20..]).unwrap();
        near(line.slope, &expected["trend_line"]["slope"], 0.0, "slope");
        near(
            line.r_squared,
            &expected["trend_line"]["r_squared"],
            0.0,
            "r squared",
        );
    }
}

#[test]
fn the_costs_of_trades_are_those_of_pandas() {
    for (candles, expected) in sets() {
        let trade = |(at, candle): (usize, &Candle)| {
            let around = (candle.close + candle.open) / 2.0;
            QuotedTrade {
                price: candle.close,
                volume: candle.volume,
                bid: around - 0.01 * (at % 5 + 1) as f64,
                ask: around + 0.02 * (at % 3 + 1) as f64,
            }
        };
        let trades: Vec<QuotedTrade> = candles.iter().enumerate().map(trade).collect();
        let found = microstructure(&trades).unwrap();
        for (name, found) in [
            ("quoted_spread", found.quoted_spread),
            ("effective_spread", found.effective_spread),
            ("price_impact", found.price_impact),
            ("price_improvement", found.price_improvement),
            ("order_imbalance", found.order_imbalance),
            ("share_within_quotes", found.share_within_quotes),
        ] {
            near(found, &expected["microstructure"][name], 0.01, name);
        }
    }
}
