//! What is shipped for CI hosts fits the program: every flag exists, and the action does what it says.

use std::process::Command;

use clap::CommandFactory as _;
use modelaudit::cli::{self, Cli};
use serde_json::Value;

use crate::cli::{EVIL, Folder, SAFE};
use crate::fixtures::root;

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The names at the second level below `key:` of the action's file, which is written in plain block style.
fn entries(yaml: &str, key: &str) -> Vec<String> {
    let lines = yaml.lines().skip_while(|line| *line != format!("{key}:")).skip(1);
    let block = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    let names = block.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    names.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
}

/// The shell script of the action.
fn script(yaml: &str) -> String {
    let lines = yaml.lines().skip_while(|line| line.trim() != "run: |").skip(1);
    let mut script: Vec<&str> = lines.map(|line| line.strip_prefix("        ").unwrap_or(line)).collect();
    script.push("");
    script.join("\n")
}

fn long_flags() -> Vec<String> {
    let program = Cli::command();
    let scan = program.find_subcommand("scan").unwrap();
    let all = scan.get_arguments().chain(program.get_arguments());
    all.filter_map(|argument| argument.get_long().map(|long| format!("--{long}"))).collect()
}

#[test]
fn every_flag_of_the_action_exists() {
    let script = script(&text("action.yml"));
    let flags = long_flags();
    let arrays: Vec<&str> = script.match_indices("args").filter_map(|(at, _)| array(&script[at..])).collect();
    let words = arrays.iter().flat_map(|array| array.split_whitespace());
    let used: Vec<&str> = words.filter(|word| word.starts_with("--") && *word != "--").collect();
    assert!(used.len() >= 7, "{used:?}");
    for flag in used {
        assert!(flags.iter().any(|known| known == flag), "{flag}");
    }
}

/// What stands between the parentheses of `args=(…)` and `args+=(…)`.
fn array(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("args=(").or_else(|| text.strip_prefix("args+=("))?;
    rest.split(')').next()
}

#[test]
fn every_input_of_the_action_is_declared_and_used() {
    let yaml = text("action.yml");
    let declared = entries(&yaml, "inputs");
    assert!(declared.len() > 5, "{declared:?}");
    let script = script(&yaml);
    assert!(!script.contains("${{"), "an expression inside a script is a way to inject");
    for name in &declared {
        let variable = format!("INPUT_{}", name.to_uppercase().replace('-', "_"));
        assert!(yaml.contains(&format!("{variable}: ${{{{ inputs.{name} }}}}")), "{name} is not handed over");
        assert!(script.contains(&format!("${variable}")), "{name} is not used");
    }
    for (at, _) in yaml.match_indices("inputs.") {
        let name: String = yaml[at + 7..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        assert!(declared.contains(&name), "{name} is no input");
    }
    for name in entries(&yaml, "outputs") {
        assert!(script.contains(&format!("echo \"{name}=")), "{name} is never set");
    }
}

/// Runs the action's script as GitHub would. Gives the exit code, the outputs and the job summary.
fn act(folder: &Folder, inputs: &[(&str, &str)]) -> (i32, String, String) {
    let (output, summary) = (folder.file("github-output"), folder.file("github-summary"));
    #[expect(clippy::disallowed_methods, reason = "the action's script")]
    let mut command = Command::new("bash");
    command.arg("-c").arg(script(&text("action.yml"))).current_dir(folder.path());
    command.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary);
    let defaults = [("PATHS", ""), ("BASE", ""), ("FAIL_ON", "medium"), ("CONFIG", ""), ("SARIF", "modelaudit.sarif")];
    let others = [("SBOM", ""), ("MARKDOWN", "modelaudit.md"), ("BINARY_PATH", env!("CARGO_BIN_EXE_modelaudit"))];
    for (name, value) in defaults.iter().chain(&others).chain(inputs) {
        command.env(format!("INPUT_{name}"), value);
    }
    let done = command.output().unwrap();
    let read =
        |path| std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    (done.status.code().unwrap(), read(output), read(summary))
}

#[test]
fn the_action_scans_and_tells() {
    let folder = Folder::new().with(EVIL, "models/evil file.pt").with(SAFE, "safe.safetensors");
    let (code, outputs, summary) = act(&folder, &[("PATHS", "models/evil file.pt\nsafe.safetensors\n")]);
    assert_eq!((code, outputs.as_str()), (1, "exit-code=1\nsarif=modelaudit.sarif\n"));
    assert!(summary.contains("S101") && summary.contains("evil file.pt"), "{summary}");
    let sarif: Value = serde_json::from_str(&folder.read("modelaudit.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "S101");
    let inputs = [("PATHS", "models"), ("FAIL_ON", "never"), ("SBOM", "bom.json")];
    assert_eq!(act(&folder, &inputs).0, 0);
    assert!(folder.read("bom.json").contains("CycloneDX"));
    // A path is never taken for a flag.
    assert_eq!(act(&folder, &[("PATHS", "--fail-on=never")]).0, 2);
}

#[test]
fn commands_in_hooks_parse() {
    let hooks = text(".pre-commit-hooks.yaml");
    let entry = hooks.lines().find_map(|line| line.trim().strip_prefix("entry: ")).unwrap();
    cli::parse(entry.split_whitespace().map(Into::into)).unwrap();
}
