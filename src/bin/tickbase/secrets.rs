//! Arguments that hold a password, in messages of the parser, which repeats what it does not
//! understand: `--database-url host=h password=p` without quotes is two arguments to it.

use std::ffi::OsString;

/// The text without the arguments that hold a password; `None` when it repeats none of them.
pub(super) fn without_secrets(text: &str, arguments: &[OsString]) -> Option<String> {
    let mut shown = text.to_owned();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        // Of `--option=value` the parser repeats either.
        let value = argument.split_once('=').map(|(_, value)| value);
        for secret in [Some(&*argument), value].into_iter().flatten() {
            if may_be_secret(&argument) && !secret.is_empty() {
                shown = shown.replace(secret, "(not shown)");
            }
        }
    }
    (shown != text).then_some(shown)
}

/// A URL with somebody before its host, and what names a password.
fn may_be_secret(argument: &str) -> bool {
    let is_named = argument.to_ascii_lowercase().contains("password=");
    let user = argument.split_once(':').map(|(_, rest)| rest.contains('@'));
    is_named || user.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::Cli;

    #[test]
    fn the_parser_repeats_no_password() {
        for (line, repeats) in [
            ("--database-url host=h password=s3cret stats", true),
            ("stats postgres://u:s3cret@h/db", true),
            ("stats --bind postgres://u:s3cret@h/db", false),
            ("serve --bind postgres://u:s3cret@h/db", true),
            ("serve --bind=postgres://u:s3cret@h/db", true),
            ("--datbase-url=postgres://u:s3cret@h/db stats", false),
            ("u:s3cret@h", true),
        ] {
            let arguments: Vec<OsString> = std::iter::once("tickbase")
                .chain(line.split(' '))
                .map(OsString::from)
                .collect();
            let refusal = Cli::try_parse_from(&arguments).unwrap_err().to_string();
            assert_eq!(refusal.contains("s3cret"), repeats, "{refusal}");
            let shown = without_secrets(&refusal, &arguments);
            assert_eq!(shown.is_some(), repeats, "{refusal}");
            let shown = shown.unwrap_or(refusal);
            assert!(!shown.contains("s3cret"), "{line}: {shown}");
        }
    }

    #[test]
    fn other_messages_stay_as_they_are() {
        let arguments = ["tickbase", "imprt", "x=y.csv", "10:30"].map(OsString::from);
        let refusal = Cli::try_parse_from(&arguments).unwrap_err().to_string();
        assert_eq!(without_secrets(&refusal, &arguments), None);
    }
}
