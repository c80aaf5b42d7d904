//! `alerts test-channel`: one sample alert on a channel, as delivery would send it.

use clap::Args;
use serde::Serialize;

use crate::{CommandFailure, CommandResult, Context};
use tickbase::clock::Clock;
use tickbase::services::alert_delivery::test_channel;

#[derive(Debug, Args)]
pub(crate) struct TestChannelArguments {
    /// The channel's name in the settings
    #[arg(value_name = "NAME")]
    channel: String,
}

#[derive(Serialize)]
struct ChannelTrial {
    channel: String,
    kind: &'static str,
    accepted: bool,
    status: Option<u16>,
    failure: Option<String>,
    took_ms: f64,
}

pub(super) fn run(context: &Context, arguments: &TestChannelArguments) -> CommandResult {
    let name = &arguments.channel;
    let tested = test_channel(&context.settings.alerts, name, &Clock::system())?;
    let trial = ChannelTrial {
        accepted: tested.failure.is_none(),
        channel: tested.channel,
        kind: tested.kind.as_str(),
        status: tested.status,
        failure: tested.failure,
        took_ms: tested.took.as_secs_f64() * 1e3,
    };
    let took = format!("{:.1} ms", trial.took_ms);
    if let Some(reason) = &trial.failure {
        if context.output.is_json() {
            context.output.result(&trial, |_| String::new())?;
        }
        let told = format!("{name} did not take the sample alert: {reason} (after {took})");
        return Err(CommandFailure::Told(told));
    }
    context.output.result(&trial, |trial| match trial.status {
        Some(status) => format!("{name} answered {status} in {took}"),
        None => format!("{name} took the sample alert in {took}"),
    })
}
