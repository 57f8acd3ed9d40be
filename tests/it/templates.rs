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

/// The scripts of the action's steps, with the part of the action that calls each.
const SCRIPTS: [&str; 2] = ["action/program.sh", "action/scan.sh"];

fn long_flags() -> Vec<String> {
    let program = Cli::command();
    let ci = program.find_subcommand("ci").unwrap();
    let all = ci.get_arguments().chain(program.get_arguments());
    all.filter_map(|argument| argument.get_long().map(|long| format!("--{long}"))).collect()
}

#[test]
fn every_flag_of_the_action_exists() {
    let script = text("action/scan.sh");
    let flags = long_flags();
    let arrays: Vec<&str> = script.match_indices("args").filter_map(|(at, _)| array(&script[at..])).collect();
    let words = arrays.iter().flat_map(|array| array.split_whitespace());
    let used: Vec<&str> = words.filter(|word| word.starts_with("--") && *word != "--").collect();
    assert!(used.len() >= 15, "{used:?}");
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
    let runs = yaml.lines().filter_map(|line| line.trim().strip_prefix("run: "));
    let called: Vec<&str> = runs.collect();
    assert_eq!(called, SCRIPTS.map(|script| format!("bash \"$ACTION_SOURCE/{script}\"")), "nothing else runs");
    let script = SCRIPTS.map(text).concat();
    for name in declared.iter().filter(|name| *name != "token") {
        let variable = format!("INPUT_{}", name.to_uppercase().replace('-', "_"));
        assert!(yaml.contains(&format!("{variable}: ${{{{ inputs.{name} }}}}")), "{name} is not handed over");
        assert!(script.contains(&format!("${variable}")), "{name} is not used");
    }
    for (at, _) in yaml.match_indices("inputs.") {
        let name: String = yaml[at + 7..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        assert!(declared.contains(&name), "{name} is no input");
    }
    for name in entries(&yaml, "outputs") {
        assert!(yaml.contains(&format!("${{{{ steps.scan.outputs.{name} }}}}")), "{name}");
    }
}

/// Runs the action's steps as GitHub would. Gives the exit code, the outputs and the job summary.
fn act(folder: &Folder, inputs: &[(&str, &str)]) -> (i32, String, String) {
    let yaml = text("action.yml");
    let (output, summary) = (folder.file("github-output"), folder.file("github-summary"));
    let _ = std::fs::remove_file(&output);
    let step = |script: &str, program: &str| {
        #[expect(clippy::disallowed_methods, reason = "the action's script")]
        let mut command = Command::new("bash");
        command.arg(root().join(script)).current_dir(folder.path()).env_clear();
        command.env("PATH", std::env::var("PATH").unwrap()).env("HOME", "/nonexistent").env("PROGRAM", program);
        for (name, value) in
            [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GITHUB_ACTIONS", "true")]
        {
            command.env(name, value);
        }
        for name in entries(&yaml, "inputs") {
            let block = yaml.split(&format!("\n  {name}:\n")).nth(1).unwrap();
            let default = block.lines().nth(1).unwrap().trim().strip_prefix("default: ").unwrap().trim_matches('"');
            command.env(format!("INPUT_{}", name.to_uppercase().replace('-', "_")), default);
        }
        command.env("INPUT_BINARY_PATH", env!("CARGO_BIN_EXE_modelaudit"));
        command.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary).env("RUNNER_TEMP", folder.path());
        command.envs(inputs.iter().map(|(name, value)| (format!("INPUT_{name}"), value)));
        let done = command.output().unwrap();
        (done.status.code().unwrap(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (code, errors) = step(SCRIPTS[0], "");
    assert_eq!(code, 0, "{errors}");
    let program = std::fs::read_to_string(&output).unwrap().trim().strip_prefix("program=").unwrap().to_owned();
    let (code, errors) = step(SCRIPTS[1], &program);
    let read = |path| std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{errors}"));
    (code, read(output), read(summary))
}

fn repository() -> Folder {
    let folder = Folder::new().with(EVIL, "models/evil file.pt").with(SAFE, "safe.safetensors");
    for args in
        [&["init", "-q", "-b", "main"][..], &["add", "models", "safe.safetensors"], &["commit", "-q", "-m", "models"]]
    {
        #[expect(clippy::disallowed_methods, reason = "a repository for the action")]
        let mut git = Command::new("git");
        git.current_dir(folder.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        git.args(["-c", "user.name=A", "-c", "user.email=a@example.org"]).args(args);
        assert!(git.status().unwrap().success());
    }
    folder
}

#[test]
fn the_action_scans_and_tells() {
    let folder = repository();
    let (code, outputs, summary) = act(&folder, &[("PATHS", "models/evil file.pt\nsafe.safetensors\n")]);
    assert_eq!(code, 1);
    assert!(outputs.contains("\nfail\n") && outputs.contains("exit-code<<"), "{outputs}");
    assert!(summary.contains("S101") && summary.contains("evil file.pt"), "{summary}");
    let sarif: Value = serde_json::from_str(&folder.read("modelaudit/modelaudit.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "S101");
    let inputs = [("PATHS", "models"), ("FAIL_ON", "never"), ("SBOM_FILE", "bom.json"), ("SUMMARY", "false")];
    assert_eq!(act(&folder, &inputs).0, 0);
    assert!(folder.read("bom.json").contains("CycloneDX"));
    // A path is never taken for a flag.
    assert_eq!(act(&folder, &[("PATHS", "--fail-on=never")]).0, 2);
}

#[test]
fn the_action_takes_no_program_that_its_list_does_not_name() {
    let folder = Folder::new();
    let source = folder.path().join("source");
    std::fs::create_dir_all(source.join("action")).unwrap();
    std::fs::write(source.join("Cargo.toml"), "version = \"1.2.3\"\n").unwrap();
    let asset = "modelaudit-1.2.3-x86_64-unknown-linux-musl.tar.gz";
    std::fs::write(source.join("action/digests.txt"), format!("{}  {asset}\n", "0".repeat(64))).unwrap();
    let kept = folder.path().join("cache/modelaudit/1.2.3/x86_64-unknown-linux-musl");
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::write(kept.join(asset), "not the program").unwrap();
    // A client that "downloads" the same wrong file.
    let bin = folder.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join("curl"), "#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\necho wrong >\"$2\"\n")
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "the action's script")]
    let mut command = Command::new("bash");
    command.arg("-c").arg("chmod +x bin/curl && bash \"$0\"").arg(root().join(SCRIPTS[0])).current_dir(folder.path());
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    for (name, value) in [("BINARY_PATH", ""), ("VERIFY_ATTESTATION", "false")] {
        command.env(format!("INPUT_{name}"), value);
    }
    command.env("RUNNER_OS", "Linux").env("RUNNER_ARCH", "X64").env("RUNNER_TEMP", folder.path());
    command
        .env("RUNNER_TOOL_CACHE", folder.file("cache"))
        .env("ACTION_SOURCE", &source)
        .env("ACTION_REPOSITORY", "o/r");
    let output = command.env("GITHUB_OUTPUT", folder.file("output")).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!folder.file("output").exists() && !kept.join(asset).exists());
}

#[test]
fn commands_in_hooks_parse() {
    let hooks = text(".pre-commit-hooks.yaml");
    let entries: Vec<&str> = hooks.lines().filter_map(|line| line.trim().strip_prefix("entry: ")).collect();
    assert_eq!(entries.len(), 4);
    for entry in entries {
        cli::parse(entry.split_whitespace().map(Into::into)).unwrap();
    }
}

#[test]
fn commands_and_inputs_of_the_pages_for_ci_exist() {
    let inputs = entries(&text("action.yml"), "inputs");
    let mut commands = 0;
    for page in ["github", "gitlab", "pre-commit", "jenkins", "azure"] {
        let page = text(&format!("docs/ci/{page}.md"));
        let component = text("templates/modelaudit.yml").replace("$[[ inputs.lfs ]] $[[ inputs.paths ]]", "report");
        for line in page.lines().chain(component.lines()) {
            let Some((_, rest)) = line.split_once("modelaudit ci").filter(|(head, _)| !head.contains('`')) else {
                continue;
            };
            let words = rest
                .trim_end_matches('\'')
                .split_whitespace()
                .map(|word| if word.starts_with("$(") { "x" } else { word });
            let line = ["modelaudit", "ci"].into_iter().chain(words);
            cli::parse(line.clone().map(Into::into))
                .unwrap_or_else(|error| panic!("{error}: {:?}", line.collect::<Vec<_>>()));
            commands += 1;
        }
    }
    assert!(commands >= 5, "{commands}");
    let github = text("docs/ci/github.md");
    let with = github.lines().skip_while(|line| !line.contains("./path/to/modelaudit")).skip(2);
    let used: Vec<&str> = with
        .take_while(|line| line.starts_with("          "))
        .filter_map(|line| line.trim().split(':').next())
        .collect();
    assert!(used.len() == 2 && used.iter().all(|name| inputs.iter().any(|input| input == name)), "{used:?}");
}
