//! The binary: arguments to a command to an exit code, nothing else.

use std::io::Write as _;
use std::process::ExitCode;

use modelaudit::escape::printable;
use modelaudit::{cli, commands};

fn main() -> ExitCode {
    // A panic in a parser is caught and reported as coverage; its text could carry bytes of the file to the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let command_line = match cli::parse(std::env::args_os()) {
        Ok(command_line) => command_line,
        Err(error) => {
            // Help and version go to standard output and are no failure; clap knows which is which.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome = std::panic::catch_unwind(|| commands::run(&command_line));
    let error = match outcome {
        Ok(Ok(code)) => return ExitCode::from(code),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "internal error: this is a bug, please report it".to_owned(),
    };
    // What a user typed, or a name on the disk, may hold anything; line breaks are ours.
    let lines: Vec<String> = error.lines().map(|line| printable(line, 2000)).collect();
    let _ = writeln!(std::io::stderr().lock(), "error: {}", lines.join("\n"));
    ExitCode::from(2)
}
