//! The JSON Schema of the report.

use serde_json::{Map, Value, json};

use super::SCHEMA_VERSION;
use crate::finding::Severity;

/// The JSON Schema (draft 2020-12) that every report of this version meets; shipped as
/// `docs/generated/schema/report-v1.schema.json`.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(
        "A report of modelaudit.",
        json!({
            "schema_version": { "const": SCHEMA_VERSION, "description": "Version of this contract." },
            "tool": reference("tool"),
            "verdict": words(&["pass", "fail", "error"], "The outcome; equals exit codes 0, 1 and 2."),
            "fail_on": { "anyOf": [reference("severity"), { "type": "null" }],
                "description": "The threshold that decided; null if nothing fails the run." },
            "start_time": { "type": "number", "minimum": 0, "description": "Seconds since 1970; 0 in reproducible reports." },
            "duration": { "type": "number", "minimum": 0, "description": "Seconds; 0 in reproducible reports." },
            "files_scanned": count("Top-level files that were scanned."),
            "bytes_scanned": count("Their bytes."),
            "files_ignored": count("Files looked at that are no model and hold nothing that is one."),
            "has_errors": { "type": "boolean", "description": "True if anything could not be read." },
            "scanner_names": texts("Formats that were met."),
            "checkout": {
                "anyOf": [reference("checkout"), { "type": "null" }],
                "description": "The repository and commit of the scanned files, if they were looked at.",
            },
            "diff": { "anyOf": [reference("diff"), { "type": "null" }], "description": "Present for diff-aware runs." },
            "issues": list("finding", "All findings, suppressed ones included and marked."),
            "assets": list("asset", "Inventory."),
            "coverage": list("coverage", "One entry a file."),
            "suppressions": list("suppression_state", "Suppressions that have expired, soon will, or cover nothing."),
            "errors": texts("Problems of the run itself."),
            "notes": texts("Things the user should know that fail nothing."),
            "rules": list("rule", "The rules that the findings mention."),
        }),
    );
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "modelaudit report, version 1",
    });
    let definitions = json!({
        "severity": words(&Severity::ALL.map(Severity::as_str), "How bad a finding is, mildest first."),
        "rule_code": { "type": "string", "pattern": "^S[0-9]{3,5}$" },
        "tool": tool(),
        "checkout": checkout(),
        "diff": diff(),
        "change": change(),
        "finding": finding(),
        "suppression": suppression(),
        "suppression_state": suppression_state(),
        "asset": asset(),
        "coverage": coverage(),
        "rule": rule(),
    });
    let mut all = Map::new();
    all.extend(head.as_object().cloned().unwrap_or_default());
    all.append(&mut schema);
    all.insert("$defs".into(), definitions);
    Value::Object(all)
}

fn tool() -> Map<String, Value> {
    object(
        "The program that wrote the report.",
        json!({
            "name": { "const": "modelaudit" },
            "version": text("Version."),
            "rules_digest": text("Digest of the rules, sets and patterns in force: `sha256:…`."),
            "names_digest": text("Digest of the table of known Python names: `sha256:…`."),
        }),
    )
}

fn checkout() -> Map<String, Value> {
    object(
        "The checkout that the scanned files belong to.",
        json!({
            "repository": maybe("Address of the repository's remote, without credentials."),
            "revision": maybe("Commit id of the scanned state."),
            "branch": maybe("Branch, if one is checked out."),
        }),
    )
}

fn diff() -> Map<String, Value> {
    object(
        "What a diff-aware run compared.",
        json!({
            "mode": text("What the user asked for: `diff` or `staged`."),
            "base": maybe("Base revision as given or found; null if none could be found."),
            "merge_base": maybe("Commit id of the merge base."),
            "head": maybe("Commit id of the head; null for the index or the working tree."),
            "full_scan_reason": maybe("Why everything was scanned instead of the changes; null if the changes were."),
            "changed": list("change", "Files that the change touches and that were scanned."),
            "fixed": list("finding", "Findings of the base version that the change removes."),
        }),
    )
}

fn change() -> Map<String, Value> {
    object(
        "One changed file.",
        json!({
            "path": text("Path in the head version."),
            "change": text("`added`, `modified`, `renamed`, `copied`, `type-changed` or `companion`."),
            "from": maybe("Path in the base version if it has another name there, or the companion that changed."),
        }),
    )
}

fn finding() -> Map<String, Value> {
    let scores: Vec<f64> = Severity::ALL.map(Severity::score).into();
    let mut object = object(
        "One root cause in one input.",
        json!({
            "rule_code": reference("rule_code"),
            "rule_name": { "type": "string", "pattern": "^[a-z0-9-]+$" },
            "severity": reference("severity"),
            "severity_score": { "enum": scores, "description": "The severity as a number, 0 to 10." },
            "safety_level": words(&["innocuous", "suspicious", "dangerous"], "The severity in three steps."),
            "message": text("One sentence with the specifics."),
            "location": text("Readable location: name chain and position."),
            "path": text("Path relative to the scan root, with forward slashes."),
            "members": texts("Names of archive members, outermost first."),
            "offset": maybe_count("First byte in the innermost input, if the finding has a place."),
            "length": maybe_count("Length in bytes at that offset."),
            "why": text("Why it matters."),
            "fix": text("What to do."),
            "cwe": { "type": "array", "items": { "type": "integer", "minimum": 1 }, "description": "CWE numbers." },
            "cve": { "type": "array", "items": { "type": "string", "pattern": "^CVE-[0-9]{4}-[0-9]{4,}$" },
                "description": "CVE ids of the loader faults concerned." },
            "details": { "type": "object", "description": "The evidence; its keys depend on the rule." },
            "related_rules": { "type": "array", "items": reference("rule_code"),
                "description": "Further rules that the same root cause meets." },
            "occurrences": { "type": "integer", "minimum": 1, "description": "How often it occurs in this input." },
            "fingerprint": { "type": "string", "pattern": "^[0-9a-f]{32}$",
                "description": "Stable identity: rule, path, members and evidence, no offsets." },
            "state": words(&["new", "unchanged", "fixed"], "Against the base of the change."),
            "suppression": { "anyOf": [reference("suppression"), { "type": "null" }],
                "description": "Present if the finding is suppressed." },
        }),
    );
    // Score and level follow from the severity.
    let rows: Vec<Value> = Severity::ALL
        .into_iter()
        .map(|level| {
            json!({ "properties": {
                "severity": { "const": level },
                "severity_score": { "const": level.score() },
                "safety_level": { "const": level.safety_level() },
            }})
        })
        .collect();
    object.insert("oneOf".into(), rows.into());
    object
}

fn suppression_state() -> Map<String, Value> {
    object(
        "A suppression that somebody should look at.",
        json!({
            "status": words(&["expired", "expiring", "unused"], "What is wrong with it, or soon will be."),
            "source": text("What kind of list it is in: `config`, `flag`, `environment`, `ignore` or `baseline`."),
            "place": text("Where it stands."),
            "rules": { "type": "array", "items": reference("rule_code"), "description": "Rule codes; empty for any rule." },
            "path": maybe("Glob on the path."),
            "fingerprint": maybe("Identity of the finding."),
            "sha256": maybe("Digest of the file."),
            "expires": maybe("Last day on which it counts, ISO 8601."),
            "reason": maybe("The reason that its author gave."),
            "owner": maybe("Who answers for it."),
            "findings": count("Findings that it covers; of an expired one those that count again."),
        }),
    )
}

fn suppression() -> Map<String, Value> {
    object(
        "Why a finding does not count.",
        json!({
            "source": text("Where the decision stands: `config`, `flag`, `ignore` or `baseline`."),
            "reason": maybe("The reason that its author gave."),
            "owner": maybe("Who answers for it."),
            "expires": maybe("Last day on which it counts, ISO 8601."),
        }),
    )
}

fn asset() -> Map<String, Value> {
    object(
        "One model file of the inventory.",
        json!({
            "path": text("Path relative to the scan root."),
            "type": text("Format."),
            "size": count("Size in bytes."),
            "sha256": { "type": ["string", "null"], "pattern": "^[0-9a-f]{64}$",
                "description": "SHA-256 of the whole file, unless payloads were not read." },
            "tensors": texts("Names of tensors, the first thousand."),
            "tensor_count": count("How many tensors there are."),
            "metadata": { "type": "object", "description": "Metadata that the file carries." },
            "contains": texts("Formats of the members, each once."),
            "weights_only": weights_only(),
        }),
    )
}

fn weights_only() -> Value {
    let object = object(
        "What `torch.load(weights_only=True)` would make of a PyTorch checkpoint; null for other files.",
        json!({
            "accepted": { "type": "boolean", "description": "True if it would load the checkpoint." },
            "refused": text("The first few opcodes and names that it refuses; empty if it accepts."),
        }),
    );
    json!({ "oneOf": [object, { "type": "null" }] })
}

fn coverage() -> Map<String, Value> {
    let mut object = object(
        "How much of one top-level file was read.",
        json!({
            "path": text("Path relative to the scan root."),
            "status": words(&["complete", "partial", "skipped", "failed"], "How much was read."),
            "reason": maybe("Why not all; null only if complete."),
            "bytes": count("Size of the file in bytes."),
        }),
    );
    object.insert("if".into(), json!({ "properties": { "status": { "const": "complete" } } }));
    object.insert("then".into(), json!({ "properties": { "reason": { "type": "null" } } }));
    object.insert("else".into(), json!({ "properties": { "reason": { "type": "string" } } }));
    object
}

fn rule() -> Map<String, Value> {
    object(
        "A rule that this run reported.",
        json!({
            "code": reference("rule_code"),
            "name": { "type": "string", "pattern": "^[a-z0-9-]+$" },
            "title": text("One line."),
            "severity": reference("severity"),
            "why": text("What it means and why it matters, markdown."),
            "fix": text("What to do, markdown."),
            "cwe": { "type": "array", "items": { "type": "integer", "minimum": 1 }, "description": "CWE numbers." },
            "atlas": texts("MITRE ATLAS technique ids."),
            "refs": { "type": "array", "items": { "type": "string", "pattern": "^https://" }, "description": "Links." },
            "precision": text("`very-high`, `high`, `medium` or `low`."),
            "prisma": texts("Prisma AIRS policies that it belongs to."),
        }),
    )
}

/// An object with exactly these keys.
fn object(description: &str, properties: Value) -> Map<String, Value> {
    let keys: Vec<&String> = properties.as_object().map(|keys| keys.keys().collect()).unwrap_or_default();
    let mut object = Map::new();
    object.insert("description".into(), description.into());
    object.insert("type".into(), "object".into());
    object.insert("required".into(), json!(keys));
    object.insert("additionalProperties".into(), false.into());
    object.insert("properties".into(), properties);
    object
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn list(name: &str, description: &str) -> Value {
    json!({ "type": "array", "items": reference(name), "description": description })
}

fn words(words: &[&str], description: &str) -> Value {
    json!({ "enum": words, "description": description })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn texts(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

fn maybe(description: &str) -> Value {
    json!({ "type": ["string", "null"], "description": description })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn maybe_count(description: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0, "description": description })
}
