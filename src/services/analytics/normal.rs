//! The normal distribution, and random numbers that are the same everywhere.

// The coefficients stand as they were published.
#![allow(clippy::excessive_precision)]

use std::f64::consts::PI;

/// The density of the standard normal distribution at `x`.
#[must_use]
pub fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The quantile of the standard normal distribution: the x below which lies `probability`,
/// for 0 < `probability` < 1; infinite at 0 and 1. Relative error about 1e-16.
///
/// M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution",
/// *Applied Statistics* 37 (1988), `PPND16`.
#[must_use]
pub fn normal_quantile(probability: f64) -> f64 {
    let q = probability - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180_625 - q * q, &CENTRAL);
    }
    let tail = if q < 0.0 {
        probability
    } else {
        1.0 - probability
    };
    if tail <= 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let x = if r <= 5.0 {
        ratio(r - 1.6, &MIDDLE)
    } else {
        ratio(r - 5.0, &FAR)
    };
    x.copysign(q)
}

type Rational = ([f64; 8], [f64; 8]);

/// A quotient of two polynomials, their constants first.
fn ratio(x: f64, (numerator, denominator): &Rational) -> f64 {
    let value = |of: &[f64; 8]| of.iter().rev().fold(0.0, |sum, factor| sum * x + factor);
    value(numerator) / value(denominator)
}

const CENTRAL: Rational = (
    [
        3.387_132_872_796_366_608,
        133.141_667_891_784_377_45,
        1_971.590_950_306_551_442_7,
        13_731.693_765_509_461_125,
        45_921.953_931_549_871_457,
        67_265.770_927_008_700_853,
        33_430.575_583_588_128_105,
        2_509.080_928_730_122_672_7,
    ],
    [
        1.0,
        42.313_330_701_600_911_252,
        687.187_007_492_057_908_3,
        5_394.196_021_424_751_107_7,
        21_213.794_301_586_595_867,
        39_307.895_800_092_710_61,
        28_729.085_735_721_942_674,
        5_226.495_278_852_854_561,
    ],
);
const MIDDLE: Rational = (
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_9,
        5.769_497_221_460_691_405_5,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        0.241_780_725_177_450_611_77,
        0.022_723_844_989_269_184_583_3,
        7.745_450_142_783_414_076_4e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_4,
        0.689_767_334_985_100_004_55,
        0.148_103_976_427_480_074_59,
        0.015_198_666_563_616_457_196_6,
        5.475_938_084_995_344_946e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
);
const FAR: Rational = (
    [
        6.657_904_643_501_103_777_2,
        5.463_784_911_164_114_369_9,
        1.784_826_539_917_291_335_8,
        0.296_560_571_828_504_891_23,
        0.026_532_189_526_576_123_093,
        0.001_242_660_947_388_078_438_6,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        0.599_832_206_555_887_937_69,
        0.136_929_880_922_735_805_31,
        0.014_875_361_290_850_615_025,
        7.868_691_311_456_132_591e-4,
        1.846_318_317_510_054_681_8e-5,
        1.421_511_758_316_445_888_7e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
);

/// Normal deviates from a seed: the same sequence on every machine.
///
/// Uniform numbers by SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014), turned into normal ones by their quantiles.
#[derive(Debug, Clone)]
pub(super) struct Deviates(u64);

impl Deviates {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

impl Iterator for Deviates {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        // The middle of one of 2^52 equal parts: never 0, never 1, and exact.
        let part = (self.bits() >> 12) as f64;
        Some(normal_quantile((part + 0.5) / 4_503_599_627_370_496.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_the_numbers_of_its_reference() {
        // Of Vigna's splitmix64.c with seed 1234567.
        let mut deviates = Deviates::new(1_234_567);
        let bits: Vec<u64> = (0..3).map(|_| deviates.bits()).collect();
        let reference = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(bits, reference);
    }

    #[test]
    fn deviates_have_mean_zero_and_variance_one() {
        let n = 100_000;
        let drawn: Vec<f64> = Deviates::new(7).take(n).collect();
        let mean = drawn.iter().sum::<f64>() / n as f64;
        let variance = drawn.iter().map(|x| x * x).sum::<f64>() / n as f64;
        // Five standard errors.
        assert!(mean.abs() < 5.0 / (n as f64).sqrt(), "{mean}");
        assert!(
            (variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(),
            "{variance}"
        );
    }

    #[test]
    fn the_ends_of_the_quantile_are_infinite_and_it_is_odd() {
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert_eq!(normal_quantile(0.5), 0.0);
        for p in [0.25, 0.125, 0.0625] {
            assert_eq!(normal_quantile(p), -normal_quantile(1.0 - p));
        }
    }
}
