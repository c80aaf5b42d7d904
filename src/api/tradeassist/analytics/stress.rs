//! Stress tests: what becomes of a price in scenarios.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};

use super::engine::{AnswerHead, YEAR_DAYS, ask, instrument, price};
use crate::api::ApiState;
use crate::api::tradeassist::fields::{FieldLocation, RequestFields};
use crate::api::tradeassist::moments::NaiveMoment;
use crate::api::tradeassist::problem::Fault;
use crate::api::tradeassist::refusal::Refusal;
use crate::api::tradeassist::values;
use crate::services::analytics::{Shock, StressedPrice};
use crate::services::analytics_engine::StressQuestion;

/// A scenario of a request.
#[derive(Debug, Clone)]
struct StressScenario {
    name: Value,
    magnitude: f64,
    shock: Shock,
}

#[derive(Debug, Serialize)]
pub(super) struct StressTestAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    scenarios_tested: usize,
    stress_test_results: Vec<ScenarioResult>,
}

#[derive(Debug, Serialize)]
struct ScenarioResult {
    scenario_name: Value,
    timestamp: NaiveMoment,
    shock_magnitude: f64,
    original_value: f64,
    stressed_value: f64,
    loss_amount: f64,
    loss_percentage: f64,
    recovery_time_estimate_days: Option<u64>,
}

/// The scenarios of a request that names none.
fn standard() -> Vec<StressScenario> {
    let scenario = |name: &str, magnitude, shock: fn(f64) -> Shock| StressScenario {
        name: json!(name),
        magnitude,
        shock: shock(magnitude),
    };
    vec![
        scenario("Market Crash (-20%)", -0.2, Shock::Share),
        scenario("Market Correction (-10%)", -0.1, Shock::Share),
        scenario("Flash Crash (-5%)", -0.05, Shock::Share),
        scenario("Volatility Spike (+50%)", 0.5, Shock::Volatility),
        scenario("Interest Rate Shock", -0.15, Shock::Share),
        scenario("Currency Crisis", -0.25, Shock::Share),
    ]
}

/// A scenario `{name, type, shock_magnitude}`; each may be absent.
fn scenario(value: &Value) -> Result<StressScenario, Fault> {
    let Some(given) = value.as_object() else {
        return Err(Fault::new(
            "dict_type",
            "Input should be a valid dictionary",
        ));
    };
    let magnitude = match given.get("shock_magnitude") {
        None => 0.0,
        Some(magnitude) => values::number(magnitude)?,
    };
    let shock = match given.get("type").and_then(Value::as_str) {
        Some("multiplicative") => Shock::Share(magnitude),
        Some("volatility") => Shock::Volatility(magnitude),
        _ => Shock::Amount(magnitude),
    };
    let name = given.get("name").cloned();
    Ok(StressScenario {
        name: name.unwrap_or_else(|| json!("Unknown Scenario")),
        magnitude,
        shock,
    })
}

pub(super) async fn test(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<StressTestAnswer>, Refusal> {
    let id = fields.required(FieldLocation::Body, "instrument_id", values::integer);
    let scenarios = fields.optional(FieldLocation::Body, "scenarios", values::list(scenario));
    let id = fields.complete(id)?;
    let instrument = instrument(&state, id).await?;
    let scenarios = scenarios.unwrap_or_else(standard);
    let question = StressQuestion {
        instrument_id: id,
        days: u16::try_from(YEAR_DAYS).unwrap_or(u16::MAX),
        shocks: scenarios.iter().map(|it| it.shock).collect(),
    };
    let of = ask(&state, question).await?;
    let head = AnswerHead::new(&state, &instrument);
    let result = |(scenario, after): (StressScenario, StressedPrice)| ScenarioResult {
        scenario_name: scenario.name,
        timestamp: head.timestamp,
        shock_magnitude: scenario.magnitude,
        original_value: price(after.price - after.change),
        stressed_value: price(after.price),
        loss_amount: after.change,
        loss_percentage: after.change_share,
        recovery_time_estimate_days: after.recovery_days,
    };
    let outcomes = scenarios.into_iter().zip(&of.outcomes);
    // A scenario that nothing can be told of is left out, as by the original without a price.
    let told = outcomes.filter_map(|(scenario, after)| Some((scenario, after.ok()?)));
    let results: Vec<ScenarioResult> = told.map(result).collect();
    Ok(Json(StressTestAnswer {
        head,
        scenarios_tested: results.len(),
        stress_test_results: results,
    }))
}
