//! `modelaudit completions SHELL`

use std::io::{self, Write};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

/// Prints the completion script for a shell.
///
/// # Errors
/// Writing fails.
pub fn run(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    // The generator panics when it cannot write: a closed pipe must not look like a fault of ours.
    clap_complete::generate(shell, &mut command, name, &mut script);
    out.write_all(&script)
}
