//! Indicators by TA-Lib, as lines beside the bars that they were computed from.
//!
//! Settings are those of a fresh [`ta_lib::Core`]: no unstable period is cut off, and averages
//! begin as TA-Lib's do.

use std::sync::LazyLock;

use ta_lib::{Core, MAType, OutRange, RetCode};

use super::columns::PriceColumns;
use super::missing::{Measured, Missing, all_finite, enough};
use super::parameters::LookbackPeriod;

static CORE: LazyLock<Core> = LazyLock::new(Core::new);

/// The values of an indicator, one for each bar from [`IndicatorLine::start`] to the last. It has at least
/// one, and each is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorLine {
    start: usize,
    values: Vec<f64>,
    last: f64,
}

impl IndicatorLine {
    /// Index of the first bar that has a value.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// The values, that of the last bar at the end.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The value of the last bar.
    #[must_use]
    pub fn last(&self) -> f64 {
        self.last
    }

    /// The value of the bar with this index, if it has one.
    #[must_use]
    pub fn at(&self, bar: usize) -> Option<f64> {
        self.values.get(bar.checked_sub(self.start)?).copied()
    }

    fn within(mut self, least: f64, most: f64) -> Self {
        for value in self.values.iter_mut().chain([&mut self.last]) {
            // Adding zero turns -0.0 into 0.0, which TA-Lib writes for a close at the high.
            *value = value.clamp(least, most) + 0.0;
        }
        self
    }
}

/// Moving average convergence/divergence.
#[derive(Debug, Clone, PartialEq)]
pub struct Macd {
    /// The fast average less the slow one.
    pub macd: IndicatorLine,
    /// The average of that.
    pub signal: IndicatorLine,
    /// The first less the second.
    pub histogram: IndicatorLine,
}

/// Bands around a moving average.
#[derive(Debug, Clone, PartialEq)]
pub struct Bollinger {
    /// So many deviations above.
    pub upper: IndicatorLine,
    /// The average.
    pub middle: IndicatorLine,
    /// So many deviations below.
    pub lower: IndicatorLine,
}

/// The place of the close between the lowest low and the highest high.
#[derive(Debug, Clone, PartialEq)]
pub struct Stochastic {
    /// The smoothed value, 0 to 100.
    pub k: IndicatorLine,
    /// Its average, 0 to 100.
    pub d: IndicatorLine,
}

/// Simple moving average: the mean of the last n values. TA-Lib `SMA`.
///
/// # Errors
/// [`Missing`].
pub fn sma(values: &[f64], period: LookbackPeriod) -> Measured<IndicatorLine> {
    let n = period.option();
    let lookback = CORE.sma_lookback(n);
    let [line] = lines(&[values], lookback, |end, [out]| {
        CORE.sma(0, end, values, n, out)
    })?;
    Ok(line)
}

/// Exponential moving average: EMA + 2 / (n + 1) * (value - EMA), begun with the mean of the
/// first n values. TA-Lib `EMA`.
///
/// # Errors
/// [`Missing`].
pub fn ema(values: &[f64], period: LookbackPeriod) -> Measured<IndicatorLine> {
    let n = period.option();
    let lookback = CORE.ema_lookback(n);
    let [line] = lines(&[values], lookback, |end, [out]| {
        CORE.ema(0, end, values, n, out)
    })?;
    Ok(line)
}

/// Relative strength index: 100 * G / (G + L) with Wilder's averages G of the gains and L of the
/// losses; 0 to 100. TA-Lib `RSI`; J. Welles Wilder, *New Concepts in Technical Trading Systems*
/// (1978).
///
/// # Errors
/// [`Missing`]; [`Missing::NoVariance`] where neither is any gain or loss.
pub fn rsi(values: &[f64], period: LookbackPeriod) -> Measured<IndicatorLine> {
    let n = period.option();
    let lookback = CORE.rsi_lookback(n);
    let [line] = lines(&[values], lookback, |end, [out]| {
        CORE.rsi(0, end, values, n, out)
    })?;
    varies(&[values])?;
    Ok(line.within(0.0, 100.0))
}

/// MACD: EMA(fast) - EMA(slow), its EMA as the signal, and their difference as the histogram;
/// usually 12, 26, 9. TA-Lib `MACD`; Gerald Appel, *Technical Analysis: Power Tools for Active
/// Investors* (2005).
///
/// # Errors
/// [`Missing`].
pub fn macd(
    values: &[f64],
    fast: LookbackPeriod,
    slow: LookbackPeriod,
    signal: LookbackPeriod,
) -> Measured<Macd> {
    let (fast, slow, signal) = (fast.option(), slow.option(), signal.option());
    let lookback = CORE.macd_lookback(fast, slow, signal);
    let [macd, signal, histogram] = lines(&[values], lookback, |end, [a, b, c]| {
        CORE.macd(0, end, values, fast, slow, signal, a, b, c)
    })?;
    Ok(Macd {
        macd,
        signal,
        histogram,
    })
}

/// Bollinger bands: SMA(n) and, above and below it, `deviations` times the standard deviation of
/// the n values (divided by n); usually 20 and 2. TA-Lib `BBANDS`; John Bollinger, *Bollinger on
/// Bollinger Bands* (2001).
///
/// # Errors
/// [`Missing`].
pub fn bollinger(values: &[f64], period: LookbackPeriod, deviations: f64) -> Measured<Bollinger> {
    let n = period.option();
    let lookback = CORE.bbands_lookback(n, deviations, deviations, MAType::SMA);
    let [upper, middle, lower] = lines(&[values], lookback, |end, [a, b, c]| {
        CORE.bbands(
            0,
            end,
            values,
            n,
            deviations,
            deviations,
            MAType::SMA,
            a,
            b,
            c,
        )
    })?;
    Ok(Bollinger {
        upper,
        middle,
        lower,
    })
}

/// Slow stochastic: K = SMA(k) of 100 * (close - L) / (H - L) with the lowest low L and highest
/// high H of n bars, D = SMA(d) of K; usually 14, 3, 3. A window without any range counts as 0,
/// as TA-Lib has it. TA-Lib `STOCH`; George Lane, "Lane's Stochastics" (1984).
///
/// # Errors
/// [`Missing`]; [`Missing::NoVariance`] where the last window has no range.
pub fn stochastic(
    of: &PriceColumns,
    period: LookbackPeriod,
    k: LookbackPeriod,
    d: LookbackPeriod,
) -> Measured<Stochastic> {
    let (n, k, d) = (period.option(), k.option(), d.option());
    let lookback = CORE.stoch_lookback(n, k, MAType::SMA, d, MAType::SMA);
    let [k, d] = lines(&[&of.high, &of.low, &of.close], lookback, |end, [a, b]| {
        let (high, low, close) = (&of.high, &of.low, &of.close);
        CORE.stoch(
            0,
            end,
            high,
            low,
            close,
            n,
            k,
            MAType::SMA,
            d,
            MAType::SMA,
            a,
            b,
        )
    })?;
    has_range(of, period)?;
    // Running sums may leave the range by their last digits.
    Ok(Stochastic {
        k: k.within(0.0, 100.0),
        d: d.within(0.0, 100.0),
    })
}

/// Average true range: Wilder's average of max(high, previous close) - min(low, previous close);
/// in units of price. TA-Lib `ATR`; Wilder (1978).
///
/// # Errors
/// [`Missing`].
pub fn atr(of: &PriceColumns, period: LookbackPeriod) -> Measured<IndicatorLine> {
    let n = period.option();
    let lookback = CORE.atr_lookback(n);
    let [line] = lines(&[&of.high, &of.low, &of.close], lookback, |end, [out]| {
        CORE.atr(0, end, &of.high, &of.low, &of.close, n, out)
    })?;
    Ok(line)
}

/// Williams %R: -100 * (H - close) / (H - L) with the highest high and lowest low of n bars; -100
/// to 0. A window without any range counts as 0, as TA-Lib has it. TA-Lib `WILLR`; Larry Williams,
/// *How I Made One Million Dollars* (1973).
///
/// # Errors
/// [`Missing`]; [`Missing::NoVariance`] where the last window has no range.
pub fn williams_r(of: &PriceColumns, period: LookbackPeriod) -> Measured<IndicatorLine> {
    let n = period.option();
    let lookback = CORE.willr_lookback(n);
    let [line] = lines(&[&of.high, &of.low, &of.close], lookback, |end, [out]| {
        CORE.willr(0, end, &of.high, &of.low, &of.close, n, out)
    })?;
    has_range(of, period)?;
    Ok(line.within(-100.0, 0.0))
}

/// Average directional movement index: Wilder's average of 100 * |DI+ - DI-| / (DI+ + DI-); 0 to
/// 100, and the higher the stronger the trend, whichever its direction. TA-Lib `ADX`; Wilder
/// (1978).
///
/// # Errors
/// [`Missing`]; [`Missing::NoVariance`] where neither highs nor lows ever move.
pub fn adx(of: &PriceColumns, period: LookbackPeriod) -> Measured<IndicatorLine> {
    let n = period.option();
    let lookback = CORE.adx_lookback(n);
    let [line] = lines(&[&of.high, &of.low, &of.close], lookback, |end, [out]| {
        CORE.adx(0, end, &of.high, &of.low, &of.close, n, out)
    })?;
    varies(&[&of.high, &of.low])?;
    Ok(line.within(0.0, 100.0))
}

/// Refuses columns of which none ever changes: TA-Lib answers 0 or 100 there, which means nothing.
fn varies(columns: &[&[f64]]) -> Measured<()> {
    let is_flat = |column: &&[f64]| column.windows(2).all(|pair| pair[0] == pair[1]);
    if columns.iter().all(is_flat) {
        return Err(Missing::NoVariance);
    }
    Ok(())
}

/// Refuses a last window whose highest high is its lowest low: where the close stands between
/// them has no answer, and TA-Lib's 0 would be the end of the scale.
fn has_range(of: &PriceColumns, period: LookbackPeriod) -> Measured<()> {
    let window = usize::try_from(period.option()).unwrap_or(usize::MAX);
    let highs = of.high.iter().rev().take(window);
    let lows = of.low.iter().rev().take(window);
    let highest = highs.copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = lows.copied().fold(f64::INFINITY, f64::min);
    if highest <= lowest {
        return Err(Missing::NoVariance);
    }
    Ok(())
}

/// Runs a function of TA-Lib over whole inputs of one length, `run(last index, outputs)`.
fn lines<const N: usize>(
    inputs: &[&[f64]],
    lookback: std::result::Result<usize, RetCode>,
    run: impl FnOnce(usize, &mut [Vec<f64>; N]) -> std::result::Result<OutRange, RetCode>,
) -> Measured<[IndicatorLine; N]> {
    let given = inputs.iter().map(|input| input.len()).min().unwrap_or(0);
    // Periods are in TA-Lib's range: what it can refuse is a factor that is no number.
    let lookback = lookback.map_err(|_| Missing::NotFinite)?;
    enough(given, lookback + 1)?;
    inputs.iter().try_for_each(|input| all_finite(input))?;
    let mut outputs = std::array::from_fn(|_| vec![0.0; given - lookback]);
    let range = run(given - 1, &mut outputs).map_err(|_| Missing::NotFinite)?;
    for values in &mut outputs {
        values.truncate(range.count);
        all_finite(values)?;
        enough(values.len(), 1)?;
    }
    Ok(outputs.map(|values| IndicatorLine {
        start: range.beg_idx,
        last: values[values.len() - 1],
        values,
    }))
}
