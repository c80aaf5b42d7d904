//! A rule made ready for evaluation: checked once, thresholds as doubles, the expression as a tree.

use std::sync::Arc;

use super::history::History;
use super::need::{HistoryNeed, Parameters};
use super::reach::Key;
use super::trigger::Trigger;
use crate::decimal::Decimal;
use crate::domain::{Condition, Expression, ExpressionPart, PriceDecimals, RuleShape, RuleType};
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
    pub(super) body: Body,
    pub(super) text: Arc<RuleText>,
}

/// What is compared.
#[derive(Debug, Clone)]
pub(super) enum Body {
    One(Test),
    Joined(Tree),
}

/// A trigger and a threshold.
#[derive(Debug, Clone)]
pub(super) struct Test {
    pub(super) trigger: Trigger,
    condition: Condition,
    exact: Option<Decimal>,
    /// What is compared; its width follows the instrument, once the rule is in a plan.
    pub(super) key: Key,
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
    pub(super) condition: Option<Condition>,
    pub(super) threshold: Option<Decimal>,
    pub(super) period: Option<i32>,
    pub(super) seconds: Option<i32>,
    pub(super) expression: Option<Expression>,
}

impl Rule {
    /// A rule of this id and instrument that fires by `shape` and fired last at
    /// `last_triggered`. One that is not `active` is kept and not evaluated.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it could never fire: those of [`RuleShape::check`].
    pub fn new(
        id: i64,
        instrument_id: i64,
        shape: &RuleShape<'_>,
        active: bool,
        last_triggered: Option<Timestamp>,
    ) -> Result<Self> {
        shape.check()?;
        let expression = shape.expression.map(Expression::parse).transpose()?;
        let body = match (&expression, shape.condition) {
            (Some(expression), _) => Body::Joined(Tree::new(expression)),
            (None, Some(condition)) => Body::One(Test::new(
                Trigger::of_rule(shape, condition),
                condition,
                shape.threshold,
            )),
            (None, None) => return Err(unchecked(shape.rule_type)),
        };
        let word = shape.condition.map(Condition::as_str);
        let text = RuleText {
            rule_id: id,
            name: shape
                .name
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            rule_type: shape.rule_type,
            condition_text: word.or(shape.expression).unwrap_or_default().to_owned(),
            condition: shape.condition,
            threshold: shape.threshold.cloned(),
            period: shape.moving_average_period,
            seconds: shape.time_window_seconds,
            expression,
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

#[cold]
fn unchecked(rule_type: RuleType) -> Error {
    Error::invalid(
        "condition",
        format!("a {rule_type} rule needs it"),
        "give one",
    )
}

impl Body {
    pub(super) fn triggers(&self, into: &mut Vec<Trigger>) {
        match self {
            Self::One(test) => into.push(test.trigger),
            Self::Joined(tree) => tree.triggers(into),
        }
    }
}

impl Test {
    fn new(trigger: Trigger, condition: Condition, threshold: Option<&Decimal>) -> Self {
        Self {
            trigger,
            condition,
            exact: threshold.cloned(),
            key: Key::new(condition, threshold, None),
            threshold: threshold.map_or(0.0, Decimal::to_f64),
            place: 0,
        }
    }

    /// The same, as wide as prices of these decimals ask for.
    pub(super) fn shown_with(&self, decimals: Option<PriceDecimals>) -> Self {
        Self {
            key: Key::new(self.condition, self.exact.as_ref(), decimals),
            ..self.clone()
        }
    }

    fn of_part(part: &ExpressionPart) -> Self {
        let trigger = Trigger::of_part(part);
        Self::new(trigger, part.condition, part.threshold.as_ref())
    }
}

impl Tree {
    fn new(expression: &Expression) -> Self {
        match expression {
            Expression::All(parts) => Self::All(parts.iter().map(Self::new).collect()),
            Expression::Any(parts) => Self::Any(parts.iter().map(Self::new).collect()),
            Expression::One(part) => Self::One(Test::of_part(part)),
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
