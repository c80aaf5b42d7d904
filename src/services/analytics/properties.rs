//! What holds for any prices: bounds, orders, and what must not matter.

use proptest::collection::vec;
use proptest::prelude::*;

use super::indicators;
use super::*;
use crate::domain::Candle;
use crate::timestamp::Timestamp;

/// Bars that may be: prices from moves up and down, also by nothing, and ranges of zero.
fn candles(least: usize, most: usize) -> impl Strategy<Value = Vec<Candle>> {
    let step = (
        prop_oneof![4 => -0.05..0.05_f64, 1 => Just(0.0)],
        prop_oneof![4 => 0.0..0.02_f64, 1 => Just(0.0)],
        prop_oneof![4 => 0.0..1e6_f64, 1 => Just(0.0)],
    );
    (1e-3..1e5_f64, vec(step, least..most)).prop_map(|(first, steps)| {
        let mut close = first;
        let candle = |(at, (change, range, volume)): (usize, &(f64, f64, f64))| {
            let open = close;
            close *= 1.0 + change;
            Candle {
                timestamp: Timestamp::from_micros(at as i64 * 60_000_000).unwrap(),
                open,
                high: open.max(close) * (1.0 + range),
                low: open.min(close) * (1.0 - range),
                close,
                volume: *volume,
            }
        };
        steps.iter().enumerate().map(candle).collect()
    })
}

fn period(bars: u16) -> LookbackPeriod {
    LookbackPeriod::new(bars).unwrap()
}

proptest! {
    #[test]
    fn oscillators_stay_in_their_range_and_bands_in_their_order(bars in candles(60, 200)) {
        let of = PriceColumns::of(&bars);
        for (line, least, most) in [
            (indicators::rsi(&of.close, period(14)), 0.0, 100.0),
            (indicators::adx(&of, period(14)), 0.0, 100.0),
            (indicators::williams_r(&of, period(14)), -100.0, 0.0),
            (indicators::stochastic(&of, period(14), period(3), period(3)).map(|both| both.k), 0.0, 100.0),
            (indicators::stochastic(&of, period(14), period(3), period(3)).map(|both| both.d), 0.0, 100.0),
            (indicators::atr(&of, period(14)), 0.0, f64::MAX),
        ] {
            let Ok(line) = line else {
                // Prices that did not move in the last bars.
                prop_assert_eq!(line, Err(Missing::NoVariance));
                continue;
            };
            prop_assert_eq!(line.start() + line.values().len(), bars.len());
            prop_assert!(line.values().iter().all(|value| (least..=most).contains(value)));
            prop_assert!(line.values().iter().all(|value| *value != 0.0 || value.is_sign_positive()));
        }
        let bands = indicators::bollinger(&of.close, period(20), 2.0).unwrap();
        for ((lower, middle), upper) in
            bands.lower.values().iter().zip(bands.middle.values()).zip(bands.upper.values())
        {
            prop_assert!(lower <= middle && middle <= upper);
        }
        let macd = indicators::macd(&of.close, period(12), period(26), period(9)).unwrap();
        let difference = macd.macd.last() - macd.signal.last();
        prop_assert!((difference - macd.histogram.last()).abs() <= 1e-9 * of.close[0]);
    }

    #[test]
    fn a_later_bar_changes_no_earlier_value(bars in candles(80, 120)) {
        let whole = PriceColumns::of(&bars);
        let part = PriceColumns::of(&bars[..70]);
        let line = |of: &PriceColumns| indicators::rsi(&of.close, period(14));
        let (whole, part) = (line(&whole).unwrap(), line(&part).unwrap());
        prop_assert_eq!(&whole.values()[..part.values().len()], part.values());
    }

    #[test]
    fn any_length_is_answered_and_what_is_answered_is_finite(bars in candles(0, 60)) {
        let of = PriceColumns::of(&bars);
        let year = PerYear::new(98_280.0).unwrap();
        let confidence = Confidence::default();
        let figures = [
            indicators::sma(&of.close, period(20)).map(|line| line.last()),
            indicators::rsi(&of.close, period(14)).map(|line| line.last()),
            indicators::adx(&of, period(14)).map(|line| line.last()),
            indicators::stochastic(&of, period(14), period(3), period(3)).map(|both| both.d.last()),
            returns::volatility(&of.close, year),
            returns::sharpe(&of.close, 0.02, year),
            max_drawdown(&bars).map(|found| found.depth),
            beta(&bars, &bars).map(|found| found.beta),
            value_at_risk(&of.close, RiskMethod::Historical, confidence, Horizon::default())
                .map(|found| found.expected_shortfall),
            value_at_risk(&of.close, RiskMethod::Parametric, confidence, Horizon::default())
                .map(|found| found.value_at_risk),
        ];
        for figure in figures {
            match figure {
                Ok(value) => prop_assert!(value.is_finite()),
                Err(Missing::NotEnough { needed, given }) => {
                    prop_assert!(given < needed && given <= bars.len());
                }
                Err(Missing::NoVariance) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
        prop_assert!(trend(&of).is_ok() == (bars.len() >= 50));
        prop_assert!(levels(&of).is_ok() == (bars.len() >= 15));
    }

    #[test]
    fn a_drawdown_is_no_gain_and_its_dates_are_in_order(bars in candles(1, 100)) {
        let found = max_drawdown(&bars).unwrap();
        prop_assert!((-1.0..=0.0).contains(&found.depth));
        prop_assert!(found.peak_at <= found.trough_at);
        prop_assert!(found.recovered_at.is_none_or(|at| at >= found.trough_at));
        // No pair of bars falls deeper.
        for (at, peak) in bars.iter().enumerate() {
            for trough in &bars[at..] {
                prop_assert!(trough.close / peak.close - 1.0 >= found.depth);
            }
        }
    }

    #[test]
    fn a_value_at_risk_grows_with_confidence_and_a_shortfall_is_beyond_it(
        bars in candles(200, 260), low in 0.5..0.98_f64, more in 0.0..0.009_f64, seed: u64,
    ) {
        let prices = PriceColumns::of(&bars).close;
        let simulation = Simulation::new(1_000, seed).unwrap();
        let horizon = Horizon::new(5).unwrap();
        for method in
            [RiskMethod::Historical, RiskMethod::Parametric, RiskMethod::MonteCarlo(simulation)]
        {
            let at = |confidence| {
                let confidence = Confidence::new(confidence).unwrap();
                value_at_risk(&prices, method, confidence, horizon).unwrap()
            };
            let (less, greater) = (at(low), at(low + more));
            prop_assert!(less.value_at_risk <= greater.value_at_risk);
            prop_assert!(less.expected_shortfall >= less.value_at_risk - 1e-12);
            prop_assert_eq!(at(low), less, "the same seed gives the same");
        }
    }

    #[test]
    fn the_order_of_returns_does_not_matter_to_their_risk(
        steps in vec(-0.05..0.05_f64, 30..80), seed: u64,
    ) {
        let prices = |steps: &[f64]| {
            let grow = |price: &mut f64, step: &f64| { *price *= 1.0 + step; Some(*price) };
            std::iter::once(100.0).chain(steps.iter().scan(100.0, grow)).collect::<Vec<f64>>()
        };
        let mut shuffled = steps.clone();
        let length = shuffled.len();
        (1..length).for_each(|at| shuffled.swap(at, (seed.rotate_left(at as u32) % (at as u64 + 1)) as usize));
        let (one, other) = (prices(&steps), prices(&shuffled));
        let year = PerYear::new(252.0).unwrap();
        let (a, b) = (returns::volatility(&one, year).unwrap(), returns::volatility(&other, year).unwrap());
        prop_assert!((a - b).abs() <= 1e-9 * a.abs());
        let risk = |prices: &[f64]| {
            let confidence = Confidence::new(0.9).unwrap();
            value_at_risk(prices, RiskMethod::Historical, confidence, Horizon::default()).unwrap()
        };
        prop_assert!((risk(&one).value_at_risk - risk(&other).value_at_risk).abs() < 1e-12);
    }

    #[test]
    fn the_unit_of_prices_does_not_matter(bars in candles(60, 90), unit in 0.01..100.0_f64) {
        let scaled: Vec<Candle> = bars.iter().map(|candle| Candle {
            open: candle.open * unit, high: candle.high * unit, low: candle.low * unit,
            close: candle.close * unit, ..*candle
        }).collect();
        let rsi = |bars: &[Candle]| indicators::rsi(&PriceColumns::of(bars).close, period(14));
        prop_assert!((rsi(&bars).unwrap().last() - rsi(&scaled).unwrap().last()).abs() < 1e-6);
        let depth = |bars: &[Candle]| max_drawdown(bars).unwrap().depth;
        prop_assert!((depth(&bars) - depth(&scaled)).abs() < 1e-12);
        let found = correlations(&[&bars, &scaled]).rows[0][1].coefficient;
        prop_assert!(found.is_err() || (found.unwrap() - 1.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn a_correlation_matrix_is_symmetric_with_ones_on_its_diagonal(
        a in candles(3, 60), b in candles(3, 60), c in candles(3, 60),
    ) {
        let found = correlations(&[&a, &b, &c]);
        let turned = correlations(&[&c, &b, &a]);
        for row in 0..3 {
            for column in 0..3 {
                let cell = found.rows[row][column];
                prop_assert_eq!(cell, found.rows[column][row]);
                prop_assert_eq!(cell.observations, turned.rows[2 - row][2 - column].observations);
                if let Ok(value) = cell.coefficient {
                    prop_assert!((-1.0..=1.0).contains(&value));
                    prop_assert!(row != column || (value - 1.0).abs() < 1e-12);
                    let again = turned.rows[2 - row][2 - column].coefficient.unwrap();
                    prop_assert!((value - again).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn no_volume_is_lost_in_a_profile_and_its_area_holds_enough(
        bars in candles(1, 80), rows in 1..60_u32, seed: u64,
    ) {
        prop_assume!(bars.iter().any(|candle| candle.volume > 0.0));
        let found = volume_profile(&bars, Buckets::new(rows).unwrap()).unwrap();
        let sum: f64 = found.buckets.iter().map(|bucket| bucket.volume).sum();
        prop_assert!((sum - found.total_volume).abs() <= 1e-6 * found.total_volume);
        prop_assert!(found.value_area_volume >= VALUE_AREA * found.total_volume * (1.0 - 1e-9));
        prop_assert!(found.value_area_first <= found.point_of_control);
        prop_assert!(found.point_of_control <= found.value_area_last);
        prop_assert!(found.value_area_last < found.buckets.len());
        for pair in found.buckets.windows(2) {
            prop_assert_eq!(pair[0].high, pair[1].low);
        }
        // The order of bars does not matter.
        let mut turned = bars.clone();
        turned.rotate_left((seed % bars.len() as u64) as usize);
        let again = volume_profile(&turned, Buckets::new(rows).unwrap()).unwrap();
        for (one, other) in found.buckets.iter().zip(&again.buckets) {
            prop_assert!((one.volume - other.volume).abs() <= 1e-9 * found.total_volume);
        }
    }
}

#[test]
fn what_is_no_price_is_an_answer_too() {
    let year = PerYear::new(252.0).unwrap();
    let flat = [5.0; 60];
    assert_eq!(indicators::rsi(&flat, period(14)), Err(Missing::NoVariance));
    assert_eq!(returns::sharpe(&flat, 0.02, year), Err(Missing::NoVariance));
    assert_eq!(returns::volatility(&flat, year), Ok(0.0));
    for (price, reason) in [
        (0.0, Missing::PriceNotPositive),
        (-37.63, Missing::PriceNotPositive),
        (f64::NAN, Missing::NotFinite),
        (f64::INFINITY, Missing::NotFinite),
    ] {
        let mut prices = flat;
        prices[30] = price;
        assert_eq!(returns::simple(&prices), Err(reason), "{price}");
        let risk =
            |method| value_at_risk(&prices, method, Confidence::default(), Horizon::default());
        assert_eq!(risk(RiskMethod::Historical), Err(reason));
        assert_eq!(
            risk(RiskMethod::MonteCarlo(Simulation::default())),
            Err(reason)
        );
    }
    for n in [f64::NAN, f64::INFINITY] {
        assert_eq!(
            indicators::sma(&[n; 30], period(20)),
            Err(Missing::NotFinite)
        );
        assert_eq!(
            indicators::bollinger(&flat, period(20), n),
            Err(Missing::NotFinite)
        );
    }
    assert_eq!(
        indicators::ema(&[f64::MAX; 30], period(20)),
        Err(Missing::NotFinite)
    );
    assert_eq!(
        max_drawdown(&[]),
        Err(Missing::NotEnough {
            needed: 1,
            given: 0
        })
    );
    assert!(correlations(&[]).rows.is_empty());
}

#[test]
fn a_flat_series_has_no_place_between_its_extremes_and_no_direction() {
    let flat = PriceColumns {
        high: vec![100.0; 60],
        low: vec![100.0; 60],
        close: vec![100.0; 60],
    };
    let stochastic = |of: &PriceColumns| {
        indicators::stochastic(of, period(14), period(3), period(3)).map(|_| ())
    };
    assert_eq!(
        indicators::rsi(&flat.close, period(14)),
        Err(Missing::NoVariance)
    );
    assert_eq!(
        indicators::williams_r(&flat, period(14)),
        Err(Missing::NoVariance)
    );
    assert_eq!(indicators::adx(&flat, period(14)), Err(Missing::NoVariance));
    assert_eq!(stochastic(&flat), Err(Missing::NoVariance));
    assert_eq!(trend(&flat), Ok(Trend::Sideways));
    // Flat in the last window only: there was a direction, and there is no range.
    let mut late = flat.clone();
    late.high[3] = 101.0;
    late.close[3] = 101.0;
    assert_eq!(
        indicators::williams_r(&late, period(14)),
        Err(Missing::NoVariance)
    );
    assert_eq!(stochastic(&late), Err(Missing::NoVariance));
    assert!(indicators::adx(&late, period(14)).is_ok());
    assert!(indicators::rsi(&late.close, period(14)).is_ok());
    // The close is the highest high: 0, and no -0.
    let mut rising = flat;
    rising.low[59] = 99.0;
    let last = indicators::williams_r(&rising, period(14)).unwrap().last();
    assert_eq!(last.to_bits(), 0.0_f64.to_bits());
    // Too few bars is the first reason.
    let few = PriceColumns {
        high: vec![1.0; 5],
        low: vec![1.0; 5],
        close: vec![1.0; 5],
    };
    assert!(matches!(
        indicators::adx(&few, period(14)),
        Err(Missing::NotEnough { .. })
    ));
}

#[test]
fn a_profile_without_range_or_volume_is_an_answer_too() {
    let candle = |volume| Candle {
        timestamp: Timestamp::from_micros(0).unwrap(),
        open: 5.0,
        high: 5.0,
        low: 5.0,
        close: 5.0,
        volume,
    };
    let buckets = Buckets::default();
    assert_eq!(
        volume_profile(&[candle(0.0)], buckets),
        Err(Missing::NoVolume)
    );
    let found = volume_profile(&[candle(2.0), candle(3.0)], buckets).unwrap();
    assert_eq!(
        found.buckets,
        [Bucket {
            low: 5.0,
            high: 5.0,
            volume: 5.0
        }]
    );
    assert_eq!((found.value_area_first, found.value_area_last), (0, 0));
}
