//! Scripts for the command interpreters of operating systems, known by their syntax.
//!
//! A word or two prove nothing: READMEs and configurations are full of them. What counts is that the text as a whole
//! reads as commands; where the name says what it is, less is needed.

use super::executable::Executable;

/// Lines with content that are looked at.
const LINES: usize = 20;

/// What kind of script a whole file is that begins with `head` and whose name ends in `extension`, if it is one.
#[must_use]
pub fn confirm(head: &[u8], extension: &str) -> Option<Executable> {
    let decoded = text(head)?;
    shell(&decoded).or_else(|| batch(&decoded, extension)).or_else(|| powershell(&decoded, extension))
}

/// The text of a window: UTF-8, or the UTF-16 that editors of Windows write, with its mark.
fn text(head: &[u8]) -> Option<String> {
    if let Some(rest) = head.strip_prefix(b"\xff\xfe") {
        let (units, _) = rest.as_chunks::<2>();
        return String::from_utf16(&units.iter().map(|unit| u16::from_le_bytes(*unit)).collect::<Vec<_>>()).ok();
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A window may end inside a character; anything else is not text.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).unwrap_or_default()
        }
        Err(_) => return None,
    };
    (!text.contains('\0')).then(|| text.to_owned())
}

/// The first lines that are not empty.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES)
}

/// An interpreter line and at least one line that is a command.
fn shell(text: &str) -> Option<Executable> {
    const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh", "csh", "tcsh", "fish", "busybox"];
    let (interpreter, rest) = interpreter(text)?;
    let command = rest.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let detail = SHELLS.iter().find(|shell| **shell == interpreter)?;
    command.then_some(Executable { form: "shell-script", detail })
}

/// The program that a first line `#!/bin/program` names, and the lines behind it.
fn interpreter(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.strip_prefix("#!")?.split_once('\n')?;
    let mut words = first.split_whitespace();
    let program = words.next().filter(|path| path.starts_with('/'))?;
    let name = program.rsplit('/').next()?;
    let name = if name == "env" { words.find(|word| !word.starts_with('-') && !word.contains('='))? } else { name };
    Some((name, rest))
}

/// Commands of the Windows command interpreter: under its own suffix one suffices, else `@echo` has to come first.
fn batch(text: &str, extension: &str) -> Option<Executable> {
    let begins = lines(text).next().is_some_and(|line| {
        let line = line.to_ascii_lowercase();
        ["@echo off", "@echo on", "@setlocal", "@rem "].iter().any(|start| line.starts_with(start))
            && lines(text).nth(1).is_some()
    });
    let named = matches!(extension, "bat" | "cmd") && lines(text).any(is_batch_command);
    (begins || named).then_some(Executable { form: "batch-script", detail: "" })
}

fn is_batch_command(line: &str) -> bool {
    const COMMANDS: &[&str] = &[
        "echo",
        "set",
        "setlocal",
        "call",
        "start",
        "if",
        "for",
        "goto",
        "copy",
        "xcopy",
        "robocopy",
        "del",
        "erase",
        "rmdir",
        "mkdir",
        "md",
        "rd",
        "cd",
        "pushd",
        "popd",
        "exit",
        "pause",
        "powershell",
        "cmd",
        "python",
        "pip",
        "reg",
        "schtasks",
        "net",
        "taskkill",
        "certutil",
        "bitsadmin",
        "curl",
        "mshta",
        "rundll32",
        "regsvr32",
        "wmic",
    ];
    let line = line.trim_start_matches('@').to_ascii_lowercase();
    let word = line.split(|c: char| c.is_whitespace() || matches!(c, '.' | '/' | '(')).next().unwrap_or_default();
    COMMANDS.contains(&word)
}

/// PowerShell: under its own suffix one command suffices, else it takes an interpreter line, or two commands of which
/// one begins the text.
fn powershell(text: &str, extension: &str) -> Option<Executable> {
    let named = matches!(extension, "ps1" | "psm1" | "psd1");
    let interpreted = interpreter(text).is_some_and(|(name, _)| matches!(name, "pwsh" | "powershell"));
    let begins = lines(text).find(|line| !line.starts_with('#')).is_some_and(is_cmdlet);
    let commands = lines(text).filter(|line| is_cmdlet(line)).count();
    (interpreted || (named && commands > 0) || (begins && commands > 1))
        .then_some(Executable { form: "powershell-script", detail: "" })
}

/// A line that begins with a command or assigns one to a variable: `Invoke-WebRequest …`, `$x = New-Object …`.
fn is_cmdlet(line: &str) -> bool {
    const VERBS: &[&str] = &[
        "add",
        "clear",
        "compress",
        "connect",
        "convertfrom",
        "convertto",
        "copy",
        "disable",
        "enable",
        "expand",
        "export",
        "foreach",
        "get",
        "import",
        "install",
        "invoke",
        "move",
        "new",
        "out",
        "read",
        "register",
        "remove",
        "rename",
        "resolve",
        "restart",
        "select",
        "send",
        "set",
        "split",
        "start",
        "stop",
        "test",
        "unregister",
        "update",
        "wait",
        "write",
    ];
    let assigned = line.strip_prefix('$').and_then(|rest| rest.split_once('=')).map(|(_, value)| value.trim_start());
    let command = assigned.unwrap_or(line).trim_start_matches(['(', '&', ' ']);
    let mut words = command.split_whitespace();
    let first = words.next().unwrap_or_default().trim_end_matches(')');
    // `Set-up the model` is a sentence: verb and noun are both capitalised, or the line is an assignment.
    first.split_once('-').is_some_and(|(verb, noun)| {
        let capital = |word: &str| word.starts_with(|first: char| first.is_ascii_uppercase());
        VERBS.contains(&verb.to_ascii_lowercase().as_str())
            && noun.len() > 2
            && noun.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && (assigned.is_some() || (capital(verb) && capital(noun)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &[u8], extension: &str) -> &'static str {
        confirm(text, extension).map_or("", |found| found.form)
    }

    #[test]
    fn shell_scripts_need_a_shell_and_a_command() {
        assert_eq!(form(b"#!/usr/bin/env -S bash\nset -e\n", ""), "shell-script");
        for other in [&b"#!/bin/sh\n# only a comment\n"[..], b"#!/usr/bin/python3\nprint(1)\n", b"#!/bin/sh\n\0\x01"] {
            assert_eq!(form(other, ""), "");
        }
    }

    #[test]
    fn batch_scripts_are_named_so_or_begin_so() {
        assert_eq!(form(b"@ECHO OFF\r\nstart calc\r\n", "bin"), "batch-script");
        assert_eq!(form(b"call other.bat\r\n", "bat"), "batch-script");
        for (other, extension) in
            [(&b"batch_size: 3\nstart: 1\n"[..], "yaml"), (b"batch_size = 3\n", "cmd"), (b"start here\n", "md")]
        {
            assert_eq!(form(other, extension), "");
        }
    }

    #[test]
    fn powershell_is_told_by_its_commands() {
        assert_eq!(form(b"Write-Output 'x'\n", "ps1"), "powershell-script");
        assert_eq!(form(b"$c = New-Object Net.WebClient\nInvoke-Expression $c\n", "bin"), "powershell-script");
        assert_eq!(form(b"\xff\xfeW\0r\0i\0t\0e\0-\0H\0o\0s\0t\0", "ps1"), "powershell-script");
        for other in [
            &b"Write-Output\n"[..],
            b"Set-up the model\nGet-together\n",
            b"# Use\nDownload:\nInvoke-WebRequest x\nExpand-Archive x\n",
        ] {
            assert_eq!(form(other, "txt"), "");
        }
    }
}
