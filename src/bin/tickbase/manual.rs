//! `completions` and `man`: what a shell and `man` are told of the commands.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::output::{cannot_write, to_stdout};
use crate::{Cli, CommandResult};

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Write the page of each command into this directory, which is there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(arguments: &CompletionsArguments) -> CommandResult {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "tickbase", &mut text);
    written(&text)
}

pub(super) fn man(arguments: &ManArguments) -> CommandResult {
    let Some(directory) = &arguments.out else {
        let mut page = Vec::new();
        // A vector takes everything.
        let _ = clap_mangen::Man::new(Cli::command()).render(&mut page);
        return written(&page);
    };
    let place = directory.display().to_string();
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|error| cannot_write(&place, &error))
}

fn written(text: &[u8]) -> CommandResult {
    let text = String::from_utf8_lossy(text);
    to_stdout(&text)
}
