//! `modelaudit man [COMMAND]`

use std::io::Write;

use clap::CommandFactory as _;

use crate::cli::Cli;

/// Prints the manual page of the program or of one command, in roff.
///
/// # Errors
/// No such command exists, or writing fails.
pub fn run(name: Option<&str>, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut program = Cli::command();
    program.build();
    let command = match name {
        None => program,
        Some(name) => {
            let found = program.find_subcommand(name).cloned();
            let found = found.ok_or_else(|| anyhow::anyhow!("no command is called '{name}'"))?;
            found.version(env!("CARGO_PKG_VERSION"))
        }
    };
    let source = concat!("modelaudit ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command).source(source).manual("modelaudit").render(out)?;
    Ok(())
}
