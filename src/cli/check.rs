//! `check`: every finding, and a failure when one is wrong.

use serde::Serialize;

use super::{Context, Failure, Outcome};
use crate::app::Need;
use crate::repository::check::{CheckRepository, Finding};

#[derive(Serialize)]
struct Line {
    subject: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Line>,
}

pub(super) fn run(context: &Context) -> Outcome {
    let database = context.open(Need::AsItIs)?;
    let pending = database.migration_status()?;
    let missing = pending
        .iter()
        .filter(|migration| migration.applied_at.is_none())
        .count();
    let mut findings = vec![Finding::new(
        "migrations",
        (missing > 0).then(|| format!("{missing} are missing; run `tickbase migrate run`")),
    )];
    findings.extend(CheckRepository::new(&database).run()?);
    let findings: Vec<Line> = findings
        .into_iter()
        .map(|finding| Line {
            subject: finding.subject,
            ok: finding.problem.is_none(),
            problem: finding.problem,
            note: finding.note,
        })
        .collect();
    let report = Report {
        ok: findings.iter().all(|line| line.ok),
        findings,
    };
    context.output.result(&report, for_people)?;
    match wrong(&report) {
        0 => Ok(()),
        wrong => {
            let all = report.findings.len();
            Err(Failure::Told(format!(
                "{wrong} of {all} checks failed; the lines above say what to do"
            )))
        }
    }
}

fn for_people(report: &Report) -> String {
    let line = |line: &Line| match (&line.problem, &line.note) {
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

fn wrong(report: &Report) -> usize {
    report.findings.iter().filter(|line| !line.ok).count()
}
