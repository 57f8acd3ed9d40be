//! The content of `docs/generated/cli.md`: every command and flag, from the definition that clap parses with.

use clap::{Arg, Command, CommandFactory as _};

use crate::cli::Cli;

/// The page, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut program = Cli::command();
    program.build();
    let mut page =
        String::from("# The command line\n\nGenerated from the program; `modelaudit help COMMAND` prints the same.\n");
    section(&program, None, &mut page);
    page
}

/// One command and, below it, its own commands.
fn section(command: &Command, above: Option<&str>, page: &mut String) {
    let name = above.map_or_else(|| command.get_name().to_owned(), |above| format!("{above} {}", command.get_name()));
    page.push_str(&format!("\n## `{name}`\n\n"));
    if let Some(about) = command.get_about() {
        page.push_str(&format!("{about}.\n\n"));
    }
    page.push_str(&format!("```text\n{}\n```\n", command.clone().render_usage()));
    // Flags of every command are told once.
    let mut arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && (above.is_none() || !argument.is_global_set()))
        .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
        .collect();
    // Positional arguments first, then groups in the order of the definition.
    arguments.sort_by_key(|argument| !argument.is_positional());
    let mut headings: Vec<Option<&str>> = arguments.iter().map(|argument| argument.get_help_heading()).collect();
    headings.dedup();
    let mut told = Vec::new();
    for heading in headings {
        if told.contains(&heading) {
            continue;
        }
        told.push(heading);
        page.push_str(&format!("\n| {} | |\n|---|---|\n", heading.unwrap_or("Arguments and flags")));
        for argument in arguments.iter().filter(|argument| argument.get_help_heading() == heading) {
            page.push_str(&format!("| {} | {} |\n", spelling(argument), meaning(argument)));
        }
    }
    if let Some(after) = command.get_after_help() {
        page.push_str(&format!("\n{after}\n"));
    }
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        section(inner, Some(&name), page);
    }
}

/// `-f`, `--format FORMAT`
fn spelling(argument: &Arg) -> String {
    let values: Vec<String> = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let takes = argument.get_action().takes_values();
    let values = if takes { values.join(" ") } else { String::new() };
    if argument.is_positional() {
        return format!("`{values}`");
    }
    let optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
    let values = match (takes, optional) {
        (true, true) => format!(" [{values}]"),
        (true, false) => format!(" {values}"),
        (false, _) => values,
    };
    let long = argument.get_long().map(|long| format!("`--{long}{values}`"));
    let short = argument.get_short().map(|short| format!("`-{short}`"));
    [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The help, the possible values and the default.
fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let takes = argument.get_action().takes_values();
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| takes && !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        text.push_str(&format!(": {}", values.join(", ")));
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes && !defaults.is_empty() {
        text.push_str(&format!(" [default: {}]", defaults.join(" ")));
    }
    text.replace('|', "\\|")
}
