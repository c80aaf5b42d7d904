//! `check`: every finding, and a failure when one is wrong.

use clap::Args;
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::{CommandFailure, CommandResult, Context};
use tickbase::repository::check::{self, Finding};

#[derive(Serialize)]
struct CheckLine {
    subject: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize)]
struct CheckReport {
    ok: bool,
    findings: Vec<CheckLine>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Look through every page, index and row, too, as after a restoration; takes its time
    #[arg(long)]
    deep: bool,
}

pub(super) fn run(context: &Context, arguments: &CheckArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::AsItIs)?;
    let pending = database.migration_status()?;
    let missing = pending
        .iter()
        .filter(|migration| migration.applied_at.is_none())
        .count();
    let mut findings = vec![Finding::new(
        "migrations",
        (missing > 0).then(|| format!("{missing} are missing; run `tickbase migrate run`")),
    )];
    findings.extend(match arguments.deep {
        true => check::run_deep(&database)?,
        false => check::run(&database)?,
    });
    let findings: Vec<CheckLine> = findings
        .into_iter()
        .map(|finding| CheckLine {
            subject: finding.subject,
            ok: finding.problem.is_none(),
            problem: finding.problem,
            note: finding.note,
        })
        .collect();
    let report = CheckReport {
        ok: findings.iter().all(|line| line.ok),
        findings,
    };
    context.output.result(&report, for_people)?;
    match wrong(&report) {
        0 => Ok(()),
        wrong => {
            let all = report.findings.len();
            Err(CommandFailure::Told(format!(
                "{wrong} of {all} checks failed; the lines above say what to do"
            )))
        }
    }
}

fn for_people(report: &CheckReport) -> String {
    let line = |line: &CheckLine| match (&line.problem, &line.note) {
        (None, None) => format!("ok      {}\n", line.subject),
        (None, Some(note)) => format!("ok      {}: {note}\n", line.subject),
        (Some(problem), _) => {
            format!("WRONG   {}: {}\n", line.subject, problem.replace('\n', " "))
        }
    };
    let mut text: String = report.findings.iter().map(line).collect();
    if report.ok {
        text.push_str(&format!("all {} checks passed", report.findings.len()));
    }
    text
}

fn wrong(report: &CheckReport) -> usize {
    report.findings.iter().filter(|line| !line.ok).count()
}
