//! Settings: parsing, precedence, mistakes and their places.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use insta::assert_snapshot;
use modelaudit::cli::{self, Cli, Color, Command, OutputFormat, Scan};
use modelaudit::commands;
use modelaudit::config::{Environment, Flags, Settings, Source, TEMPLATE};
use modelaudit::finding::Severity;
use modelaudit::rules::{Class, GlobalTable, RuleSet};

/// The codes that configurations of these tests name.
pub(crate) fn rules() -> RuleSet {
    let rows: String = [
        ("S101", "os-module-import", "critical"),
        ("S301", "socket-module-usage", "high"),
        ("S701", "api-key", "medium"),
        ("S710", "high-entropy", "low"),
        ("S801", "weight-distribution", "low"),
        ("S1001", "blocked-model", "critical"),
        ("S1002", "blocked-digest", "critical"),
    ]
    .iter()
    .map(|(code, name, severity)| {
        format!(
            "[[rule]]\ncode = '{code}'\nname = '{name}'\ntitle = 'title'\nseverity = '{severity}'\nwhy = 'why'\n\
             fix = 'fix'\nprecision = 'high'\nsince = '0.1.0'\n"
        )
    })
    .collect();
    RuleSet::compile([rows.as_str()], GlobalTable::default()).unwrap()
}

/// A project folder with a configuration, and what surrounds the process.
struct Project {
    folder: tempfile::TempDir,
    env: Environment,
    flags: Flags,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("repo/sub");
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir(folder.path().join("repo/.git")).unwrap();
        let folders = vec![folder.path().join("home/modelaudit"), folder.path().join("etc/modelaudit")];
        let env = Environment { directory, folders, ..Environment::default() };
        Self { folder, env, flags: Flags::default() }
    }

    /// A project whose configuration is `text`.
    fn with(text: &str) -> Self {
        Self::new().file("repo/sub/.modelaudit.toml", text)
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.env.variables.insert(name.into(), value.into());
        self
    }

    fn flags(mut self, change: impl FnOnce(&mut Flags)) -> Self {
        change(&mut self.flags);
        self
    }

    fn load(&self) -> Settings {
        Settings::load(&self.flags, &self.env, &rules()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn mistakes(&self) -> String {
        let error = Settings::load(&self.flags, &self.env, &rules()).expect_err("the settings are wrong");
        error.to_string().replace(&*self.folder.path().to_string_lossy(), "ROOT")
    }

    /// The file in force, relative to the folder of the test.
    fn in_force(&self) -> Option<String> {
        let file = self.load().file?;
        Some(file.strip_prefix(self.folder.path()).unwrap().to_string_lossy().into_owned())
    }
}

#[test]
fn no_file_means_defaults() {
    let settings = Project::new().load();
    assert_eq!(settings.fail_on.value, Some(Severity::Medium));
    assert_eq!(settings.fail_on.source, Source::Default);
    assert!(!settings.strict.value && settings.suppress.is_empty() && settings.notes.is_empty());
    assert_eq!(settings.limits().max_file_size, None);
}

#[test]
fn the_documented_example_works() {
    let text = r#"
        suppress = ["S710", "S801"]
        fail_on = "medium"
        [severity]
        S301 = "HIGH"
        [ignore]
        "tests/**" = ["S101"]
        [pickle_rules.critical]
        "my_dangerous_module" = "*"
        [pickle_rules.safe]
        "mycompany.models" = ["Encoder"]
        [tensorflow_rules]
        PyFunc = "critical"
        [keras_rules]
        Lambda = "medium"
        [custom_patterns]
        patterns = ["internal[-_]only"]
    "#;
    let settings = Project::with(text).load();
    assert_eq!(settings.severity["S301"].value, Severity::High);
    assert_eq!(settings.tensorflow["PyFunc"].value, Severity::Critical);
    assert_eq!(settings.keras["Lambda"].value, Severity::Medium);
    assert!(!settings.watchlist().is_empty());
    let mut table = GlobalTable::default();
    settings.extend(&mut table);
    let bad = table.judge("my_dangerous_module", "anything", 4);
    assert_eq!((bad.set, bad.class), ("user-critical", Class::Denied));
    assert_eq!(table.judge("mycompany.models", "Encoder", 4).class, Class::Safe);
    assert_eq!(table.judge("mycompany.models", "Other", 4).class, Class::Unknown);
}

#[test]
fn the_older_security_configuration_works() {
    let text = r#"
[pickle_rules.CRITICAL]
"builtins" = ["eval", "exec", "compile", "__import__"]
"os" = "*"

[pickle_rules.HIGH]
"shutil" = ["rmtree", "copy", "move"]
"requests.api" = "*"

[pickle_rules.MEDIUM]
"base64" = ["b64decode", "decode"]

[pickle_rules.LOW]
"warnings" = "*"

[tensorflow_rules]
"PyFunc" = "CRITICAL"
"SaveV2" = "MEDIUM"

[keras_rules]
"Lambda" = "MEDIUM"

[custom_patterns]
# patterns = ["your_custom_pattern"]

[severity_thresholds]
CRITICAL = 10.0
HIGH = 7.5
MEDIUM = 5
LOW = 2.5
"#;
    let project = Project::new().file("repo/modelaudit-security.toml", text);
    assert_eq!(project.in_force().as_deref(), Some("repo/modelaudit-security.toml"));
    let mut table = GlobalTable::default();
    project.load().extend(&mut table);
    assert_eq!(table.judge("shutil", "move", 4).set, "user-high");
    assert_eq!(table.judge("requests.api", "get", 4).set, "user-high");
    assert_eq!(table.judge("warnings", "warn", 4).set, "user-low");
}

#[test]
fn mistakes_are_listed_with_their_place_and_a_suggestion() {
    let text = r#"fail_onn = "high"
strict = "yes"
timeout = -1
max_file_size = "12XB"
suppress = ["S7l0", "S710", "S710", 7, { path = "a" }, { rule = "S101", expire = "2030-01-01", sha256 = "abc" }]
colour = true

[severity]
S310 = "high"
S301 = "severe"

[ignore]
"a[" = ["S101"]
"b" = "S101"

[pickle_rules.critcal]
os = "*"
[pickle_rules.high]
os = ["system", "sys tem"]
"*" = "*"
[pickle_rules.safe]
os = "system"

[custom_patterns]
pattern = ["x"]
patterns = ["(", "a*"]

[severity_thresholds]
HIGH = 9.0
"#;
    assert_snapshot!(Project::with(text).mistakes(), @r#"
    .modelaudit.toml:1:1: unknown key `fail_onn`
      help: did you mean `fail_on`?
    .modelaudit.toml:2:10: `strict` must be true or false, not a string
    .modelaudit.toml:3:11: `-1`: not a time: write whole seconds, such as 300
    .modelaudit.toml:4:17: `12XB`: not a size: write bytes, or a whole number with a unit, such as 500MB or 2GiB
    .modelaudit.toml:5:13: no rule is called `S7l0`
      help: did you mean `S710`?
    .modelaudit.toml:5:29: `S710` is listed twice
    .modelaudit.toml:5:37: `suppress` must be a list of rule codes or tables, not an integer
    .modelaudit.toml:5:40: a suppression needs a `rule`
      help: to accept every finding of one file, give its `sha256`
    .modelaudit.toml:5:73: unknown key `expire` in [[suppress]]
      help: did you mean `expires`?
    .modelaudit.toml:5:105: `abc`: not a SHA-256: 64 hexadecimal digits
    .modelaudit.toml:6:1: unknown key `colour`
      help: known here: fail_on, strict, skip_payload, max_file_size, max_total_size, max_decoded_size, max_members, max_depth, timeout, jobs, suppress, include, exclude, blacklist, custom_patterns, blocked_hashes, severity, ignore, pickle_rules, tensorflow_rules, keras_rules, severity_thresholds
    .modelaudit.toml:9:1: no rule is called `S310`
      help: did you mean `S301`?
    .modelaudit.toml:10:1: `severe`: not a severity (critical, high, medium, low, info, debug)
    .modelaudit.toml:13:1: `a[`: unclosed character class; missing ']'
    .modelaudit.toml:14:7: `b` must be a list, not a string
    .modelaudit.toml:16:15: unknown level `critcal` in [pickle_rules]
      help: did you mean `critical`?
    .modelaudit.toml:19:1: `os.sys tem` is not a Python name
    .modelaudit.toml:20:1: `*` stands for names in a module, not for modules
      help: name the modules
    .modelaudit.toml:22:6: `os.system` is listed already, at .modelaudit.toml:19:7
    .modelaudit.toml:25:1: unknown key `pattern` in [custom_patterns]
      help: did you mean `patterns`?
    .modelaudit.toml:26:13: `(`: regex parse error:
        (
        ^
    error: unclosed group
    .modelaudit.toml:26:18: `a*`: the expression matches an empty text, so it would match every file
    .modelaudit.toml:29:1: the score of high is fixed at 7.5
      help: to change what a rule is worth, use [severity]
    "#);
}

#[test]
fn broken_toml_is_one_mistake_with_its_line() {
    assert_snapshot!(Project::with("strict = true\nstrict = false\n").mistakes(), @r#".modelaudit.toml:2:1: duplicate key"#);
    assert_snapshot!(Project::with("a = [\n").mistakes(), @r#".modelaudit.toml:1:6: unclosed array, expected `]`"#);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let project =
        Project::with("fail_on = 'low'\nstrict = true\ntimeout = 10\n[severity]\nS301 = 'low'\nS701 = 'low'\n")
            .var("MODELAUDIT_FAIL_ON", "high")
            .var("MODELAUDIT_TIMEOUT", "20")
            .var("MODELAUDIT_SEVERITY", "S301=high, os-module-import=info")
            .flags(|flags| {
                flags.fail_on = Some("critical".into());
                flags.severity = vec!["s301=critical".into()];
            });
    let settings = project.load();
    assert_eq!(settings.fail_on.value, Some(Severity::Critical));
    assert_eq!(settings.fail_on.source.to_string(), "--fail-on");
    assert_eq!(settings.timeout.value.unwrap().as_secs(), 20);
    assert_eq!(settings.timeout.source.to_string(), "MODELAUDIT_TIMEOUT");
    assert!(settings.strict.value);
    assert_eq!(settings.strict.source.to_string(), ".modelaudit.toml:2:10");
    let levels: Vec<String> =
        settings.severity.iter().map(|(code, at)| format!("{code}={} {}", at.value, at.source)).collect();
    assert_snapshot!(levels.join("\n"), @r#"
    S101=info MODELAUDIT_SEVERITY
    S301=critical --severity
    S701=low .modelaudit.toml:6:1
    "#);
}

#[test]
fn lists_of_all_layers_add_up_in_order() {
    let settings = Project::with("suppress = ['S801']\nexclude = ['c/**']\n")
        .var("MODELAUDIT_SUPPRESS", "S710")
        .var("MODELAUDIT_EXCLUDE", "*.{a,b},d")
        .flags(|flags| flags.suppress = vec!["S101".into()])
        .load();
    let codes: Vec<_> = settings.suppress.iter().map(|entry| entry.rule.as_deref().unwrap()).collect();
    assert_eq!(codes, ["S101", "S710", "S801"]);
    let globs: Vec<_> = settings.exclude.iter().map(|glob| glob.value.as_str()).collect();
    assert_eq!(globs, ["*.{a,b}", "d", "c/**"]);
}

#[test]
fn the_environment_is_checked_too() {
    let project = Project::new().var("MODELAUDIT_FAIL_ON", "hihg").var("MODELAUDIT_SUPPRESS", "S711");
    assert_snapshot!(project.mistakes(), @r#"
    MODELAUDIT_FAIL_ON: `hihg`: not a threshold (critical, high, medium, low, info, never)
    MODELAUDIT_SUPPRESS: no rule is called `S711`
      help: did you mean `S701`?
    "#);
    let project = Project::new().var("MODELAUDIT_VERSION", "0.1.0").var("MODELAUDIT_STRICT", "");
    assert_eq!(project.load().notes, ["the environment variable MODELAUDIT_VERSION is not a setting and was not used"]);
}

#[test]
fn the_nearest_file_is_in_force_alone() {
    let project = Project::new().file("etc/modelaudit/config.toml", "");
    assert_eq!(project.in_force().as_deref(), Some("etc/modelaudit/config.toml"));
    let project = project.file("home/modelaudit/security.toml", "");
    assert_eq!(project.in_force().as_deref(), Some("home/modelaudit/security.toml"));
    let project = project.file("home/modelaudit/config.toml", "");
    assert_eq!(project.in_force().as_deref(), Some("home/modelaudit/config.toml"));
    let project = project.file("repo/pyproject.toml", "[tool.modelaudit]\nstrict = true\n");
    assert_eq!(project.in_force().as_deref(), Some("repo/pyproject.toml"));
    assert_eq!(project.load().strict.source.line(), Some(2));
    let project = project.file("repo/.modelaudit.toml", "");
    assert_eq!(project.in_force().as_deref(), Some("repo/.modelaudit.toml"));
    assert_eq!(project.load().notes.len(), 1, "the pyproject.toml beside it is mentioned");
    let project = project.file("repo/sub/pyproject.toml", "[tool.other]\n");
    assert_eq!(project.in_force().as_deref(), Some("repo/.modelaudit.toml"));
}

#[test]
fn the_search_stops_at_the_root_of_the_repository() {
    let project = Project::new().file(".modelaudit.toml", "strict = true");
    assert_eq!(project.in_force(), None);
}

#[test]
fn a_file_can_be_named_or_refused() {
    let project = Project::with("strict = true").file("own.toml", "fail_on = 'never'");
    let own = project.folder.path().join("own.toml");
    let named = |project: Project| project.flags(|flags| flags.config = Some(own.clone())).load();
    let settings = named(project);
    assert_eq!((settings.fail_on.value, settings.strict.value), (None, false));
    assert!(!Project::with("strict = true").flags(|flags| flags.no_config = true).load().strict.value);
    assert!(!Project::with("strict = true").var("MODELAUDIT_NO_CONFIG", "1").load().strict.value);
    assert!(!Project::with("strict = true").flags(|flags| flags.config = Some("/dev/null".into())).load().strict.value);
    let missing = Project::new().flags(|flags| flags.config = Some("/nonexistent.toml".into()));
    assert!(missing.mistakes().starts_with("/nonexistent.toml: "));
}

#[test]
fn a_file_that_is_found_must_be_readable() {
    let project = Project::new();
    fs::create_dir(project.env.directory.join(".modelaudit.toml")).unwrap();
    assert!(project.mistakes().contains("not a regular file"));
    let project = Project::new();
    fs::write(project.env.directory.join(".modelaudit.toml"), [0xff, 0xfe]).unwrap();
    assert!(project.mistakes().contains("not UTF-8"));
}

#[test]
fn a_hostile_file_costs_little() {
    let globals: String = (0..60_000).map(|n| format!("m{n}='*'\n")).collect();
    Project::with(&format!("[pickle_rules.low]\n{globals}")).load();
    let wrong = "x".repeat(10).repeat(50_000);
    let lines: String = (0..40_000).map(|n| format!("k{n}=1\n")).collect();
    assert_eq!(Project::with(&lines).mistakes().matches("unknown key").count(), 100);
    assert!(Project::with(&format!("a='{wrong}'")).mistakes().len() < 1000);
    let nested = "[".repeat(100_000);
    assert!(Project::with(&format!("a={nested}")).mistakes().contains(".modelaudit.toml:1:"));
    assert!(Project::with(&" ".repeat(2 << 20)).mistakes().contains("larger than"));
}

#[test]
fn digests_cannot_be_asked_for_and_left_out() {
    let text = format!("skip_payload = true\nblocked_hashes = ['{}']\n", "a".repeat(64));
    assert_snapshot!(Project::with(&text).mistakes(), @r#"
    .modelaudit.toml:1:16: `blocked_hashes` needs the digests that `skip_payload` leaves out
      help: leave out one of the two
    "#);
}

#[test]
fn the_template_is_valid_with_and_without_its_comment_marks() {
    Project::with(TEMPLATE).load();
    // Every `# key = …` and `# [table]` without its mark; prose keeps it.
    let live: String = TEMPLATE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if rest.starts_with('[')
                    || rest.split_once(" = ").is_some_and(|(key, _)| !key.trim_matches('"').contains(' ')) =>
            {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        // The list and the tables are two ways to write the same key.
        .filter(|line| !line.starts_with("suppress ="))
        .collect();
    let settings = Project::with(&live).load();
    assert_eq!(settings.suppress.len(), 1);
    assert_eq!(settings.globals.len(), 4);
    assert_eq!(settings.patterns.len(), 1);
}

#[test]
fn init_writes_once_and_check_reads_it() {
    let project = Project::new();
    let file = project.env.directory.join(".modelaudit.toml");
    let mut out = Vec::new();
    commands::config::init(&file, false, &mut out).unwrap();
    assert!(commands::config::init(&file, false, &mut out).is_err(), "an existing file is kept");
    commands::config::init(&file, true, &mut out).unwrap();
    commands::config::init(Path::new("-"), false, &mut out).unwrap();
    let mut out = Vec::new();
    commands::config::check(&project.flags, &project.env, &rules(), &mut out).unwrap();
    assert_snapshot!(String::from_utf8(out).unwrap(), @r#".modelaudit.toml: no mistakes"#);
}

#[test]
fn show_prints_what_is_in_force_as_a_configuration() {
    let text = format!(
        "suppress = ['S710', {{ rule = 'S101', path = 'a/*.pkl', reason = 'it \"is\" ours', expires = 2030-01-31 }}]\n\
         blocked_hashes = ['{}']\n[ignore]\n'tests/**' = ['S101', 'S301']\n[pickle_rules.safe]\n'a.b' = ['C', 'D']\n\
         [pickle_rules.high]\nx = '*'\n[keras_rules]\nLambda = 'low'\n[custom_patterns]\npatterns = ['a\\d']\n",
        "a".repeat(64)
    );
    let project = Project::with(&text).flags(|flags| flags.max_file_size = Some("1GiB".into()));
    let mut out = Vec::new();
    commands::config::show(&project.flags, &project.env, &rules(), &mut out).unwrap();
    let shown = String::from_utf8(out).unwrap();
    assert_snapshot!(shown, @r#"
    # configuration file: .modelaudit.toml
    fail_on = "medium"                           # default
    strict = false                               # default
    skip_payload = false                         # default
    max_file_size = 1073741824                   # --max-file-size
    max_total_size = 0                           # default
    max_decoded_size = 0                         # default
    max_members = 0                              # default
    max_depth = 10                               # default
    timeout = 3600                               # default
    jobs = 0                                     # default
    blocked_hashes = [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", # .modelaudit.toml:2:19
    ]
    suppress = [
        "S710",                                  # .modelaudit.toml:1:13
        { rule = "S101", path = "a/*.pkl", reason = 'it "is" ours', expires = 2030-01-31 }, # .modelaudit.toml:1:21
    ]

    [ignore]
    "tests/**" = ["S101", "S301"]                # .modelaudit.toml:4:1

    [pickle_rules.high]
    "x" = [
        "*",                                     # .modelaudit.toml:8:5
    ]

    [pickle_rules.safe]
    "a.b" = [
        "C",                                     # .modelaudit.toml:6:10
        "D",                                     # .modelaudit.toml:6:15
    ]

    [keras_rules]
    "Lambda" = "low"                             # .modelaudit.toml:10:1

    [custom_patterns]
    patterns = [
        'a\d',                                   # .modelaudit.toml:12:13
    ]
    "#);
    let again = Project::with(&shown).load();
    let first = project.load();
    assert_eq!(again.max_file_size.value, first.max_file_size.value);
    assert_eq!(again.suppress.len(), first.suppress.len());
    assert_eq!(again.globals.len(), first.globals.len());
}

#[test]
fn doctor_says_what_works() {
    let project = Project::with("strict = 3");
    let settings = Settings::load(&project.flags, &project.env, &rules());
    let git = commands::doctor::Check::works("git", "2.50.0");
    let mut out = Vec::new();
    let fine = commands::doctor::run(&settings, &rules(), &[git], true, &mut out).unwrap();
    assert!(!fine);
    assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
    modelaudit 0.1.0
    FAILED  configuration  .modelaudit.toml:1:10: `strict` must be true or false, not an integer
    1 of 5 checks failed
    "#);
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    cli::parse(line.split_whitespace().map(Into::into))
}

fn scan(line: &str) -> Scan {
    match parse(line).unwrap_or_else(|error| panic!("{error}")).command {
        Command::Scan(scan) => *scan,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn documented_command_lines_parse() {
    let lines = [
        "modelaudit scan model1.pkl model2.h5 ./models/",
        "modelaudit scan models:/MyModel/Staging --registry-uri http://mlflow.example.com",
        "modelaudit scan https://mycompany.jfrog.io/artifactory/repo/model.pt --jfrog-api-token TOKEN",
        "modelaudit scan https://mycompany.jfrog.io/artifactory/repo/model.pt --jfrog-access-token TOKEN",
        "modelaudit scan model.pkl --format json --output results.json",
        "modelaudit scan model.pkl --sbom sbom.json",
        "modelaudit scan model.pkl --max-file-size 1073741824",
        "modelaudit scan models/ --max-total-size 5368709120 --max-size 1GB",
        "modelaudit scan model.pkl --blacklist unsafe_model --blacklist malicious_net",
        "modelaudit scan large_model.pkl --timeout 300",
        "modelaudit scan model.pkl --verbose",
        "modelaudit scan --suppress S101 --severity S301=HIGH",
        "modelaudit tests/assets/pickles/large.pkl --timeout 30",
        "modelaudit --format json tests/assets/pickles/",
        "modelaudit --config test-config.toml model.pkl",
        "modelaudit --url https://example.com/model.pkl",
        "modelaudit --hf test/model --hf-scan-all",
        "modelaudit scan -f sarif -o a.sarif --sarif b.sarif --json c.json --markdown d.md --json e.json",
        "modelaudit scan - --strict --no-config --reproducible --no-progress --color never -q --skip-payload --jobs 4",
        "modelaudit rules",
        "modelaudit rules S101 --format markdown",
        "modelaudit formats -f json",
        "modelaudit doctor --show-failed",
        "modelaudit render --from report.json --format sarif -o out.sarif",
        "modelaudit inspect model.pkl",
        "modelaudit config init",
        "modelaudit config check own.toml",
        "modelaudit config show --fail-on high",
        "modelaudit completions bash",
        "modelaudit man scan",
    ];
    for line in lines {
        assert!(parse(line).is_ok(), "{line}\n{}", parse(line).unwrap_err());
    }
}

#[test]
fn a_line_without_a_command_is_a_scan() {
    assert_eq!(scan("modelaudit -q model.pt").what.targets, [Path::new("model.pt")]);
    assert_eq!(scan("modelaudit --color always ./rules").what.targets, [Path::new("./rules")]);
    assert_eq!(scan("modelaudit -f json m.pt").output.format, OutputFormat::Json);
    assert_eq!(scan("modelaudit - ").what.targets, [Path::new("-")]);
    assert_eq!(parse("modelaudit --color=always -v rules").unwrap().telling.color, Color::Always);
    assert!(matches!(parse("modelaudit -v rules").unwrap().command, Command::Rules(_)));
}

#[test]
fn wrong_lines_exit_with_2() {
    for line in ["modelaudit", "modelaudit scna a.pt", "modelaudit scan --fail-on severe", "modelaudit scan --nope"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    assert_eq!(parse("modelaudit --help").unwrap_err().exit_code(), 0);
    assert!(parse("modelaudit scna a.pt").unwrap_err().to_string().contains("'scan'"));
}

#[test]
fn diff_takes_a_base_or_none_and_swallows_no_target() {
    let resolve = |line: &str| {
        let what = scan(line).what;
        let (targets, compare) = what.resolve(|text| text == "main", |text| text == "models/")?;
        let targets: Vec<_> = targets.iter().map(|path| path.to_str().unwrap().to_owned()).collect();
        Ok::<_, String>((targets.join(" "), compare.map(|compare| (compare.base, compare.head))))
    };
    let main = || Some("main".to_owned());
    assert_eq!(resolve("modelaudit scan models/"), Ok(("models/".into(), None)));
    assert_eq!(resolve("modelaudit scan --diff"), Ok((String::new(), Some((None, None)))));
    assert_eq!(resolve("modelaudit scan --diff main models/"), Ok(("models/".into(), Some((main(), None)))));
    assert_eq!(resolve("modelaudit scan --diff=main"), Ok((String::new(), Some((main(), None)))));
    assert_eq!(resolve("modelaudit scan --diff models/ b"), Ok(("models/ b".into(), Some((None, None)))));
    assert_eq!(resolve("modelaudit scan --diff -- models/"), Ok(("models/".into(), Some((None, None)))));
    assert_eq!(resolve("modelaudit scan --base main --head x"), Ok((String::new(), Some((main(), Some("x".into()))))));
    let nowhere = Some("nowhere".to_owned());
    assert_eq!(resolve("modelaudit scan --diff nowhere"), Ok((String::new(), Some((nowhere, None)))));
    assert!(resolve("modelaudit scan --diff main --base main").is_err());
    assert!(parse("modelaudit scan --staged --diff").is_err());
}

#[test]
fn completions_and_manual_are_generated() {
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
        let mut out = Vec::new();
        commands::completions::run(shell, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("skip-payload"));
    }
    let mut out = Vec::new();
    commands::man::run(Some("scan"), &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    assert!(page.starts_with(".ie") && page.contains("modelaudit-scan") && !page.contains("jfrog"), "{page}");
    commands::man::run(None, &mut Vec::new()).unwrap();
    assert!(commands::man::run(Some("nope"), &mut Vec::new()).is_err());
}
