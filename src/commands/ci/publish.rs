//! Telling the host: files, summary, outputs, annotations, comment, upload. Nothing here changes what was found.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use super::{Scanned, Session, report_dir};
use crate::ci::comment::{self, Discussion, Done};
use crate::ci::environment::Surroundings;
use crate::ci::explain::Decisions;
use crate::ci::github::GitHub;
use crate::ci::gitlab::{MergeRequest, NOTE_LIMIT};
use crate::ci::http::{HttpError, Network, SystemClock};
use crate::ci::summary;
use crate::cli::{self, Host, OutputFormat, SbomProfile, Upload, Wanted};
use crate::commands::{Look, all_of, settled, unwritable, write_as};
use crate::escape::printable;
use crate::render::page::inert;
use crate::render::{github, markdown, output, sarif};
use crate::report::Report;

/// Reports that are written without being asked for: GitLab's names are those that its reports are collected by.
const FILES: &[(OutputFormat, &str)] = &[
    (OutputFormat::Json, "modelaudit.json"),
    (OutputFormat::Sarif, "modelaudit.sarif"),
    (OutputFormat::Cyclonedx, "modelaudit.cdx.json"),
    (OutputFormat::Markdown, "modelaudit.md"),
];
const GITLAB_FILES: &[(OutputFormat, &str)] = &[
    (OutputFormat::Json, "modelaudit.json"),
    (OutputFormat::Sarif, "modelaudit.sarif"),
    (OutputFormat::GitlabSast, "gl-sast-report.json"),
    (OutputFormat::GitlabCodequality, "gl-code-quality-report.json"),
    (OutputFormat::Cyclonedx, "gl-sbom-modelaudit.cdx.json"),
    (OutputFormat::Junit, "modelaudit.junit.xml"),
    (OutputFormat::Markdown, "modelaudit.md"),
];
/// What a host's API needs.
const NO_TOKEN: &str = "no GITHUB_TOKEN, repository or API address";
/// What comments and uploads need too.
const NO_NETWORK: &str = "this build has no network: install one with the feature `http`";
/// Outputs as variables, for GitLab's `dotenv` report.
const DOTENV: &str = "modelaudit.env";

/// Why nothing was told.
pub(super) enum NotDone {
    /// Nothing may be sent, because nobody gave the means: no news.
    NoMeans(&'static str),
    /// The host, or the surroundings, do not allow it: no failure.
    Refused(String),
    /// Something is wrong with what was asked for.
    Failed(anyhow::Error),
}

impl From<HttpError> for NotDone {
    fn from(error: HttpError) -> Self {
        Self::Refused(error.to_string().replace('\n', "; "))
    }
}

/// Tells the host of one run.
pub(super) struct Publisher<'s, 'a> {
    session: &'s mut Session<'a>,
}

impl<'s, 'a> Publisher<'s, 'a> {
    pub(super) const fn new(session: &'s mut Session<'a>) -> Self {
        Self { session }
    }

    /// Writes and sends everything, and gives the exit code. What cannot be written keeps nothing else from being told.
    pub(super) fn publish(mut self, scanned: &Scanned) -> anyhow::Result<u8> {
        let report = &scanned.report;
        let (files, mut told) = self.files(report);
        let mut outputs = summary::outputs(report, scanned.incomplete);
        for (format, name) in [
            (OutputFormat::Sarif, "sarif-file"),
            (OutputFormat::Cyclonedx, "sbom-file"),
            (OutputFormat::Json, "json-file"),
            (OutputFormat::Markdown, "markdown-file"),
        ] {
            let path = files.iter().find(|(known, _)| *known == format).map(|(_, path)| path);
            outputs.push((name, path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()));
        }
        let Session { arguments, telling, .. } = &*self.session;
        let look = Look::new(telling, &arguments.output).category(arguments.publish.category.clone());
        told.push(write_as(report, &arguments.output, &look));
        told.push(self.annotate(report).map_err(|error| unwritable(None, &error)));
        told.push(self.summarise(report));
        let (uploaded, demanded) = self.upload(scanned)?;
        outputs.push(("sarif-id", uploaded));
        outputs.push(("comment", self.comment(scanned)?.to_owned()));
        told.push(self.hand_on(&outputs));
        let code = report.verdict.exit_code();
        settled(if demanded && code == 0 { 2 } else { code }, all_of(told))
    }

    /// Writes what later steps read.
    fn hand_on(&self, outputs: &summary::Outputs) -> anyhow::Result<()> {
        let Session { arguments, surroundings, .. } = &*self.session;
        let folder = report_dir(arguments, surroundings).filter(|_| surroundings.host == Host::GitLab);
        let to_host = surroundings
            .outputs
            .as_deref()
            .map(|path| summary::write_outputs(path, outputs).map_err(|error| unwritable(Some(path), &error)));
        let to_dotenv = folder.map(|folder| folder.join(DOTENV)).map(|path| {
            output::to_own_file(&path, |out| out.write_all(summary::dotenv(outputs).as_bytes()))
                .map_err(|error| unwritable(Some(&path), &error))
        });
        all_of(to_host.into_iter().chain(to_dotenv))
    }

    /// The files that the host can show, but for formats that flags ask for. Gives all files, and what became of them.
    fn files(&mut self, report: &Report) -> (Vec<(OutputFormat, PathBuf)>, Vec<anyhow::Result<()>>) {
        let Session { arguments, telling, surroundings, .. } = &*self.session;
        let mut all: Vec<(OutputFormat, PathBuf)> =
            arguments.output.files().map(|(format, path)| (format, path.to_owned())).collect();
        let asked: Vec<OutputFormat> = all.iter().map(|(format, _)| *format).collect();
        let Some(folder) = report_dir(arguments, surroundings) else { return (all, Vec::new()) };
        let gitlab = surroundings.host == Host::GitLab;
        let table = if gitlab { GITLAB_FILES } else { FILES };
        if let Err(error) = fs::create_dir_all(&folder) {
            return (all, vec![Err(anyhow::anyhow!("{}: {error}", folder.display()))]);
        }
        let more: Vec<(OutputFormat, PathBuf)> = table
            .iter()
            .filter(|(format, _)| !asked.contains(format))
            .map(|(format, name)| (*format, folder.join(name)))
            .collect();
        let mut output = arguments.output.clone();
        if gitlab {
            output.sbom_profile.get_or_insert(SbomProfile::Gitlab);
        }
        let look = Look::new(telling, &output).category(arguments.publish.category.clone());
        let told = more.iter().map(|(format, path)| look.print_to_own(report, *format, path)).collect();
        all.extend(more);
        self.session.decisions.note("reports", folder.to_string_lossy(), format!("{} files", all.len()));
        (all, told)
    }

    fn annotate(&mut self, report: &Report) -> io::Result<()> {
        let Session { arguments, surroundings, .. } = &*self.session;
        let to_terminal = arguments.output.format == OutputFormat::Text || arguments.output.output.is_some();
        let wanted = surroundings.host == Host::GitHub && !arguments.publish.no_annotations && to_terminal;
        if wanted {
            output::to_file(None, |out| github::write(report, &github::Options::default(), out))?;
        }
        self.session.decisions.note("annotations", if wanted { "printed" } else { "none" }, surroundings.host.as_str());
        Ok(())
    }

    fn summarise(&mut self, report: &Report) -> anyhow::Result<()> {
        let Session { arguments, surroundings, .. } = &*self.session;
        let Some(path) = surroundings.summary.as_deref().filter(|_| !arguments.publish.no_summary) else {
            return Ok(());
        };
        summary::write_summary(path, report, "").map_err(|error| unwritable(Some(path), &error))?;
        self.session.decisions.note("summary", "written", "the host shows one");
        Ok(())
    }

    /// Prints something that fails nothing.
    fn notice(&mut self, about: &'static str, why: &str) -> io::Result<()> {
        self.session.decisions.note(about, "none", why);
        writeln!(io::stderr().lock(), "note: no {about}: {}", inert(&printable(why, 1000)))
    }

    /// Gives the id of the upload, and whether one was demanded that did not happen.
    fn upload(&mut self, scanned: &Scanned) -> io::Result<(String, bool)> {
        let Session { arguments, surroundings, .. } = &*self.session;
        let wanted = arguments.publish.upload_sarif;
        let demanded = wanted == Upload::Always;
        if wanted == Upload::Never || (surroundings.host != Host::GitHub && !demanded) {
            return Ok((String::new(), false));
        }
        if scanned.incomplete {
            self.notice("upload", "the scan is incomplete, and would close alerts on what it did not look at")?;
            return Ok((String::new(), demanded));
        }
        let done = self.uploaded(&scanned.report);
        match done {
            Ok((id, processed)) => {
                let why = if processed { "processed" } else { "not processed yet" };
                self.session.decisions.note("upload", id.clone(), why);
                Ok((id, false))
            }
            Err(NotDone::NoMeans(why)) if !demanded => {
                self.session.decisions.note("upload", "none", why);
                Ok((String::new(), false))
            }
            Err(NotDone::NoMeans(why)) => {
                self.notice("upload", why)?;
                Ok((String::new(), demanded))
            }
            Err(NotDone::Refused(why)) => {
                self.notice("upload", &why)?;
                Ok((String::new(), demanded))
            }
            Err(NotDone::Failed(error)) => {
                self.notice("upload", &error.to_string())?;
                Ok((String::new(), demanded))
            }
        }
    }

    fn uploaded(&self, report: &Report) -> Result<(String, bool), NotDone> {
        let Session { arguments, surroundings, network, .. } = &*self.session;
        if !Network::is_built() {
            return Err(NotDone::NoMeans(NO_NETWORK));
        }
        let Some(github) = GitHub::new(network, &SystemClock, surroundings)? else {
            return Err(NotDone::NoMeans(NO_TOKEN));
        };
        let Some((commit, reference)) = uploaded_for(report, surroundings) else {
            return Err(NotDone::Refused("which commit of which reference was scanned is not known".into()));
        };
        let include_suppressed = arguments.output.sarif_include_suppressed;
        let category = arguments.publish.category.clone();
        let options = sarif::Options { include_suppressed, category, ..sarif::Options::default() };
        let mut document = Vec::new();
        sarif::write(report, &options, &mut document).map_err(|error| NotDone::Failed(error.into()))?;
        Ok(github.upload(&document, &commit, &reference)?)
    }

    fn comment(&mut self, scanned: &Scanned) -> io::Result<&'static str> {
        let Session { arguments, surroundings, network, .. } = &*self.session;
        let publish = &arguments.publish;
        let Some(change) = surroundings.event.change().filter(|_| publish.comment != Wanted::Never) else {
            return Ok(Done::Silent.as_str());
        };
        // A change of settings is news, whatever was found.
        let news = scanned.settings_changed && publish.comment == Wanted::OnFindings;
        let when = if news { Wanted::Always } else { publish.comment };
        let clean = !scanned.incomplete && comment::is_clean(&scanned.report);
        let speaker = Speaker { surroundings, network, key: &publish.comment_key, when, clean, lead: "" };
        let done = match change.number {
            Some(number) => speaker.say(&scanned.report, number, change.head.as_deref()),
            None => Err(NotDone::Refused("the number of the request is not known".into())),
        };
        match done {
            Ok(done) => {
                self.session.decisions.note("comment", done.as_str(), format!("request {:?}", change.number));
                Ok(done.as_str())
            }
            Err(NotDone::NoMeans(why)) => {
                self.session.decisions.note("comment", "none", why);
                Ok(Done::Silent.as_str())
            }
            Err(NotDone::Refused(why)) => {
                let fork = if change.fork { "; for forks, see `modelaudit ci comment --help`" } else { "" };
                self.notice("comment", &format!("{why}{fork}"))?;
                Ok(Done::Silent.as_str())
            }
            Err(NotDone::Failed(error)) => {
                self.notice("comment", &error.to_string())?;
                Ok(Done::Silent.as_str())
            }
        }
    }
}

/// The commit and reference that results are for: those of the host, where they are what was scanned.
fn uploaded_for(report: &Report, surroundings: &Surroundings) -> Option<(String, String)> {
    let scanned = report.checkout.as_ref()?.revision.clone()?;
    match surroundings.event.change() {
        Some(change) if surroundings.commit.as_ref() != Some(&scanned) || change.privileged => {
            // Not the host's test merge, but the request's own head.
            let head = change.head.as_ref().filter(|head| **head == scanned)?;
            Some((head.clone(), format!("refs/pull/{}/head", change.number?)))
        }
        _ => Some((scanned, surroundings.reference.clone()?)),
    }
}

/// Who comments, and how.
pub(super) struct Speaker<'a> {
    surroundings: &'a Surroundings,
    network: &'a Network,
    key: &'a str,
    when: Wanted,
    clean: bool,
    lead: &'a str,
}

impl Speaker<'_> {
    /// Brings the comment on a request up to date, if the request is still at `head`.
    fn say(&self, report: &Report, number: u64, head: Option<&str>) -> Result<Done, NotDone> {
        let clock = &SystemClock;
        if !Network::is_built() {
            return Err(NotDone::NoMeans(NO_NETWORK));
        }
        match self.surroundings.host {
            Host::GitHub => {
                let Some(github) = GitHub::new(self.network, clock, self.surroundings)? else {
                    return Err(NotDone::NoMeans(NO_TOKEN));
                };
                still_at(head, &github.head_of(number)?)?;
                self.publish(report, &github.discussion(number), markdown::COMMENT_LIMIT)
            }
            Host::GitLab => {
                let Some(request) = MergeRequest::new(self.network, clock, self.surroundings, number)? else {
                    return Err(NotDone::NoMeans("no GITLAB_TOKEN (CI_JOB_TOKEN may not write notes)"));
                };
                still_at(head, &request.head()?)?;
                self.publish(report, &request, NOTE_LIMIT)
            }
            Host::PreCommit | Host::Azure | Host::Generic => {
                Err(NotDone::NoMeans("this host has no comments that are known here"))
            }
        }
    }

    fn publish(&self, report: &Report, discussion: &dyn Discussion, limit: usize) -> Result<Done, NotDone> {
        let body = |again: bool| {
            let resolved = again && self.clean;
            let lead = if resolved { "All findings of earlier runs are resolved." } else { self.lead };
            let options = markdown::Options { key: self.key, limit, lead };
            let mut text = Vec::new();
            // Writing to memory fails only if the template does, which a test would have shown.
            markdown::write(report, &options, &mut text).map(|()| String::from_utf8_lossy(&text).into_owned())
        };
        Ok(comment::publish(discussion, self.key, report, self.when, |again| body(again).unwrap_or_default())?)
    }
}

/// A run that took longer than the next one must not speak over it.
fn still_at(scanned: Option<&str>, now: &str) -> Result<(), NotDone> {
    match scanned {
        Some(scanned) if scanned != now => {
            Err(NotDone::Refused(format!("the request is at {} by now", printable(now, 40))))
        }
        _ => Ok(()),
    }
}

/// `modelaudit ci comment`: the report of another run, for the request that the host says that run was for.
pub(super) fn from_saved(
    report: &Report,
    arguments: &cli::CiComment,
    surroundings: &Surroundings,
    decisions: &mut Decisions,
) -> Result<Done, NotDone> {
    let network = Network::new();
    let head = arguments.head.clone();
    let head = head.or_else(|| surroundings.following.as_ref().map(|run| run.head.clone()));
    let head = head.or_else(|| surroundings.event.change().and_then(|change| change.head.clone()));
    let Some(head) = head else {
        let help = "help: run it in a workflow_run event, or give --head";
        return Err(NotDone::Failed(anyhow::anyhow!("the commit that the report is about is not known\n{help}")));
    };
    decisions.note("head", head.clone(), "the host's word, not the report's");
    let number = match (arguments.pipeline.change, surroundings.event.change(), &surroundings.following) {
        (Some(number), _, _) => Some(number),
        (None, Some(change), _) => change.number,
        (None, None, Some(run)) => match GitHub::new(&network, &SystemClock, surroundings)? {
            Some(github) => github.pull_of(run)?,
            None => return Err(NotDone::NoMeans(NO_TOKEN)),
        },
        (None, None, None) => None,
    };
    let Some(number) = number else {
        return Err(NotDone::Refused(format!("no open request is at {}", printable(&head, 40))));
    };
    decisions.note("comment", format!("on request {number}"), "its head is checked again");
    let lead = "From the report of a run without rights here: what it says is that run's word.";
    let (key, when, clean) = (&*arguments.comment_key, arguments.comment, comment::is_clean(report));
    let speaker = Speaker { surroundings, network: &network, key, when, clean, lead };
    speaker.say(report, number, Some(&head))
}
