//! A rule made ready for evaluation: checked once, thresholds as doubles, the expression as a tree.

use std::sync::Arc;

use super::history::History;
use super::need::{HistoryNeed, Parameters};
use super::threshold_range::ThresholdKey;
use crate::decimal::Decimal;
use crate::domain::{
    Expression, PriceDecimals, RuleCondition, RuleKind, RuleShape, RuleType, Trigger,
};
use crate::error::{Error, Result};
use crate::models::AlertRule;
use crate::timestamp::Timestamp;

/// A rule as the engine takes it.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(super) instrument_id: i64,
    pub(super) active: bool,
    pub(super) cooldown_micros: i64,
    pub(super) last_triggered: Option<Timestamp>,
    pub(super) body: RuleTest,
    pub(super) text: Arc<RuleText>,
}

/// What is compared.
#[derive(Debug, Clone)]
pub(super) enum RuleTest {
    One(Test),
    Joined(Tree),
}

/// A trigger and a threshold.
#[derive(Debug, Clone)]
pub(super) struct Test {
    pub(super) trigger: Trigger,
    exact: Option<Decimal>,
    /// What is compared; its width follows the instrument, once the rule is in a plan.
    pub(super) key: ThresholdKey,
    /// The double nearest to the threshold; 0 when there is none.
    pub(super) threshold: f64,
    /// The place of the trigger's mean or window, once the rule is in a plan.
    pub(super) place: usize,
}

/// Tests, joined.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    All(Box<[Tree]>),
    Any(Box<[Tree]>),
    One(Test),
}

/// What an alert says about its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RuleText {
    pub(super) rule_id: i64,
    pub(super) name: Option<String>,
    pub(super) rule_type: RuleType,
    /// The word of its condition, or the expression of a multi-condition rule.
    pub(super) condition_text: String,
    pub(super) kind: RuleKind,
}

impl Rule {
    /// A rule of this id and instrument that fires by `shape` and fired last at
    /// `last_triggered`. One that is not `active` is kept and not evaluated.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it could never fire: those of [`RuleShape::kind`].
    pub fn new(
        id: i64,
        instrument_id: i64,
        shape: &RuleShape<'_>,
        active: bool,
        last_triggered: Option<Timestamp>,
    ) -> Result<Self> {
        let kind = shape.kind()?;
        let (body, word) = match &kind {
            RuleKind::Single(condition) => {
                let word = condition.trigger.condition().as_str();
                (RuleTest::One(Test::new(condition)), Some(word))
            }
            RuleKind::Composite(expression) => {
                (RuleTest::Joined(Tree::new(expression)), shape.expression)
            }
        };
        let name = shape.name.filter(|name| !name.is_empty());
        let text = RuleText {
            rule_id: id,
            name: name.map(str::to_owned),
            rule_type: shape.rule_type,
            condition_text: word.unwrap_or_default().to_owned(),
            kind,
        };
        Ok(Self {
            instrument_id,
            active,
            cooldown_micros: i64::from(shape.cooldown_seconds) * 1_000_000,
            last_triggered,
            body,
            text: Arc::new(text),
        })
    }

    /// The rule's number.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.text.rule_id
    }

    /// The instrument that it watches.
    #[must_use]
    pub fn instrument_id(&self) -> i64 {
        self.instrument_id
    }

    /// The past that it reads.
    #[must_use]
    pub fn history_need(&self) -> HistoryNeed {
        let mut triggers = Vec::new();
        self.body.triggers(&mut triggers);
        HistoryNeed::of_triggers(triggers.iter())
    }
}

impl TryFrom<&AlertRule> for Rule {
    type Error = Error;

    /// A stored rule; a deleted one is not evaluated.
    ///
    /// # Errors
    /// Those of [`Rule::new`].
    fn try_from(row: &AlertRule) -> Result<Self> {
        let active = row.active && row.deleted_at.is_none();
        Self::new(
            row.id,
            row.instrument_id,
            &row.shape(),
            active,
            row.last_triggered,
        )
    }
}

impl RuleTest {
    pub(super) fn triggers(&self, into: &mut Vec<Trigger>) {
        match self {
            Self::One(test) => into.push(test.trigger),
            Self::Joined(tree) => tree.triggers(into),
        }
    }
}

impl Test {
    fn new(condition: &RuleCondition) -> Self {
        let threshold = condition.threshold.as_ref();
        Self {
            trigger: condition.trigger,
            exact: threshold.cloned(),
            key: ThresholdKey::new(condition.trigger, threshold, None),
            threshold: threshold.map_or(0.0, Decimal::to_f64),
            place: 0,
        }
    }

    /// The same, as wide as prices of these decimals ask for.
    pub(super) fn shown_with(&self, decimals: Option<PriceDecimals>) -> Self {
        Self {
            key: ThresholdKey::new(self.trigger, self.exact.as_ref(), decimals),
            ..self.clone()
        }
    }
}

impl Tree {
    fn new(expression: &Expression) -> Self {
        match expression {
            Expression::All(parts) => Self::All(parts.iter().map(Self::new).collect()),
            Expression::Any(parts) => Self::Any(parts.iter().map(Self::new).collect()),
            Expression::One(part) => Self::One(Test::new(part)),
        }
    }

    fn triggers(&self, into: &mut Vec<Trigger>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.triggers(into))
            }
            Self::One(test) => into.push(test.trigger),
        }
    }

    /// The same, its tests knowing the places of their means and windows, and the decimals of
    /// their instrument.
    pub(super) fn placed(&self, parameters: &Parameters, decimals: Option<PriceDecimals>) -> Self {
        let placed = |part: &Self| part.placed(parameters, decimals);
        let parts = |parts: &[Self]| parts.iter().map(placed).collect();
        match self {
            Self::All(of) => Self::All(parts(of)),
            Self::Any(of) => Self::Any(parts(of)),
            Self::One(test) => Self::One(Test {
                place: parameters.place(test.trigger),
                ..test.shown_with(decimals)
            }),
        }
    }

    /// Whether the newest tick matches.
    pub(super) fn holds(&self, history: &History) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(history)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(history)),
            Self::One(test) => history.reach(test.trigger, test.place).holds(test.key),
        }
    }
}
