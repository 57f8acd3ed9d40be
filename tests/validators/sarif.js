// Judges one SARIF file: what Multitool found in it, the JSON schema as GitHub's upload step applies it, and GitHub's
// and GitLab's limits. Usage: node sarif.js FILE MULTITOOL-LOG
'use strict';
const fs = require('fs');
const { Validator } = require('jsonschema');

// Rules of Multitool whose findings are accepted, each with the reason and while it holds.
const ACCEPTED = {
  // Wants the address of the tool's home page: there is none until `repository` in Cargo.toml is set.
  SARIF2005: (run) => !run.tool.driver.informationUri,
};

const [file, found] = process.argv.slice(2);
const read = (name) => JSON.parse(fs.readFileSync(name, 'utf8').replace(/^\uFEFF/, ''));
const problems = [];

const document = read(file);
const accepted = (rule) => document.runs.every((run) => ACCEPTED[rule]?.(run));
const log = read(found);
for (const run of log.runs) {
  for (const result of run.results ?? []) {
    const level = result.level ?? 'warning';
    if (!['error', 'warning'].includes(level) || accepted(result.ruleId)) continue;
    const place = result.locations?.[0];
    const where = place?.logicalLocations?.[0]?.fullyQualifiedName ?? '';
    const text = result.message.text ?? JSON.stringify(result.message.arguments ?? result.message);
    problems.push(`Multitool ${level} ${result.ruleId} ${where}: ${text}`);
  }
  for (const invocation of run.invocations ?? []) {
    for (const note of invocation.toolExecutionNotifications ?? []) {
      if (note.level === 'error') problems.push(`Multitool itself: ${note.message.text}`);
    }
  }
}

const schema = read(require.resolve('@microsoft/sarif-multitool-linux/sarif-2.1.0.json'));
// GitHub only warns of addresses that are not well formed.
const lenient = (error) => error.name === 'format' && ['uri', 'uri-reference'].includes(error.argument);
for (const error of new Validator().validate(document, schema).errors) {
  if (!lenient(error)) problems.push(`schema: ${error.stack}`);
}

const size = fs.statSync(file).size;
if (size > 10_000_000) problems.push(`limit: ${size} bytes`);
for (const run of document.runs) {
  if (!Array.isArray(run.results)) problems.push("limit: Missing 'results' array");
  if (run.results.length > 5000) problems.push(`limit: ${run.results.length} results`);
  for (const rule of run.tool.driver.rules) {
    const severity = rule.properties?.['security-severity'];
    if (severity !== undefined && !(Number(severity) > 0 && Number(severity) <= 10)) {
      problems.push(`limit: security-severity ${severity} of ${rule.id}`);
    }
    if ((rule.properties?.tags ?? []).length > 10) problems.push(`limit: tags of ${rule.id}`);
    for (const key of ['shortDescription', 'fullDescription']) {
      if (!rule[key]?.text || rule[key].text.length > 1024) problems.push(`limit: ${key} of ${rule.id}`);
    }
  }
  for (const [index, result] of run.results.entries()) {
    const uri = result.locations?.[0]?.physicalLocation?.artifactLocation?.uri;
    if (!uri) problems.push(`limit: result ${index} has no location`);
    else if (/^\/|:|\\|[^\x21-\x7e]|(^|\/)\.\.?(\/|$)/.test(uri)) problems.push(`limit: result ${index} is at ${uri}`);
    if (result.message.text.length > 1024) problems.push(`limit: message of result ${index}`);
    if (run.tool.driver.rules[result.ruleIndex]?.id !== result.ruleId) problems.push(`limit: rule of result ${index}`);
    if (!result.partialFingerprints?.primaryLocationLineHash) problems.push(`limit: no fingerprint, result ${index}`);
  }
}

for (const problem of problems.slice(0, 20)) console.error(`${file}: ${problem}`);
if (problems.length > 20) console.error(`${file}: and ${problems.length - 20} more`);
process.exit(problems.length ? 1 : 0);
