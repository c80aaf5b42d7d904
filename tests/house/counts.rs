//! The size of the house in figures, which `scripts/test house` prints: what grows is seen.

use crate::source::Source;
use crate::{circles, names};

/// Lines from which a function is counted as long.
const FUNCTION_LINES: usize = 40;

/// The figures, one in each line.
pub(crate) fn counts(sources: &[Source], test_binaries: usize) -> Vec<String> {
    let own: Vec<&Source> = sources
        .iter()
        .filter(|source| !source.is_generated())
        .collect();
    let sum = |count: fn(&Source) -> usize| own.iter().map(|source| count(source)).sum::<usize>();
    let (code, comments) = (sum(lines_of_code), sum(lines_of_comments));
    let share = 100.0 * comments as f64 / (code + comments).max(1) as f64;
    let reasons = sum(lines_of_reasons);
    let reason_share = 100.0 * reasons as f64 / (code + reasons).max(1) as f64;
    vec![
        format!("{code} lines of code in src, without tests, comments and blanks"),
        format!("{share:.1} % of the lines with text are comments"),
        format!("{reason_share:.1} % without those of the documentation"),
        format!(
            "{} functions over {FUNCTION_LINES} lines",
            sum(long_functions)
        ),
        format!(
            "{} types whose name another one has",
            names::doubles(sources).len()
        ),
        format!("{} circles of files", circles::circles(sources).len()),
        format!("{} thread-locals", sum(thread_locals)),
        format!("{test_binaries} binaries of tests"),
    ]
}

/// The lines that are not test code, with the byte at which each begins.
fn lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let lines = source.code.split_inclusive('\n').map(move |line| {
        let begin = at;
        at += line.len();
        (begin, line)
    });
    lines.filter(|(begin, line)| {
        let first = begin + line.len() - line.trim_start().len();
        !source.is_test_code(first.min(source.code.len().saturating_sub(1)))
    })
}

fn lines_of_code(source: &Source) -> usize {
    lines(source)
        .filter(|(_, line)| !line.trim().is_empty())
        .count()
}

/// Lines with a comment alone.
fn lines_of_comments(source: &Source) -> usize {
    let is_comment = |begin: &usize| {
        source.text[*begin..]
            .trim_start_matches(' ')
            .starts_with("//")
    };
    lines(source).filter(|(begin, _)| is_comment(begin)).count()
}

/// Lines with a comment alone that is none of the documentation.
fn lines_of_reasons(source: &Source) -> usize {
    let is_reason = |begin: &usize| {
        let line = source.text[*begin..].trim_start_matches(' ');
        line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!")
    };
    lines(source).filter(|(begin, _)| is_reason(begin)).count()
}

fn long_functions(source: &Source) -> usize {
    let code = &source.code;
    let is_long = |at: &usize| {
        let signature = &code[*at..];
        let Some(open) = signature
            .find(['{', ';'])
            .filter(|end| signature[*end..].starts_with('{'))
        else {
            return false;
        };
        let mut depth = 0_usize;
        for (offset, byte) in signature.bytes().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 1 => {
                    // Comments are blank here: a reason at its line makes no function longer.
                    let lines = signature[..offset].lines();
                    let lines = lines.filter(|line| !line.trim().is_empty());
                    return lines.count() >= FUNCTION_LINES;
                }
                b'}' => depth -= 1,
                _ => {}
            }
        }
        false
    };
    let functions = code.match_indices("fn ").map(|(at, _)| at);
    functions
        .filter(|at| code[..*at].ends_with([' ', '\n']) || *at == 0)
        .filter(|at| !source.is_test_code(*at))
        .filter(is_long)
        .count()
}

fn thread_locals(source: &Source) -> usize {
    let code = &source.code;
    let calls = code.match_indices("thread_local!").map(|(at, _)| at);
    let bodies = calls.filter(|at| !source.is_test_code(*at)).map(|at| {
        let end = code[at..].find("\n}").map_or(code.len(), |end| at + end);
        code[at..end].matches("static ").count()
    });
    bodies.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_text() {
        let long = format!("fn long() {{\n{}}}\n", "    a();\n".repeat(FUNCTION_LINES));
        let text = format!(
            "//! x\n\nthread_local! {{\n    static A: u8 = 0;\n}}\n// why\nfn short() {{}}\n{long}\
             #[cfg(test)]\nmod tests {{\n    fn t() {{}}\n}}\n"
        );
        let sources = [
            Source::new("src/x.rs", &text),
            Source::new("src/x/tests.rs", "fn a() {}\n"),
        ];
        let counts = counts(&sources, 3);
        assert!(counts[0].starts_with("46 lines of code"), "{counts:?}");
        assert!(counts[1].starts_with("4.2 %"), "{counts:?}");
        assert!(counts[2].starts_with("2.1 % without"), "{counts:?}");
        assert!(counts[3].starts_with("1 functions over 40"), "{counts:?}");
        assert!(counts[6].starts_with("1 thread-locals"), "{counts:?}");
        assert_eq!(counts[7], "3 binaries of tests");
    }
}
