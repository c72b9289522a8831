//! `provision init`: writes a first spec. What isn't given as a flag is asked at the terminal.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use super::prompt::{self, Prompt};
use super::{CommandError, spec_file};
use crate::cli::{InitArguments, Outcome, SpecFile};
use crate::render::{self, Output};
use crate::spec::value::Refusal;
use crate::spec::{self, AccountId, Answers, Spec, SshPublicKey};

const HOSTS: u32 = 2;
const MONTHLY_USD: u32 = 200;
/// Where OpenSSH keeps a person's public keys, the best first.
const KEY_FILES: &[&str] = &["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/// The result as JSON.
#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    spec: &'a Spec,
}

pub(crate) fn run(arguments: &InitArguments, output: Output) -> Result<Outcome, CommandError> {
    // Told before the questions, not after; writing asks again, in one step with making the file.
    if arguments.file.symlink_metadata().is_ok() {
        return Err(CommandError::Exists { path: arguments.file.clone() });
    }
    let answers = match prompt::terminal() {
        Some(prompt) if !missing(arguments).is_empty() => ask(arguments, prompt)?,
        _ => take(arguments)?,
    };
    let text = spec::first_spec(&answers);
    // The rules between answers are the spec's own.
    spec::parse(text.as_bytes(), &arguments.file.display().to_string())?;
    write(&arguments.file, &text)?;
    let written = spec_file::read(&SpecFile { file: arguments.file.clone(), environment: None })?.spec;
    if output.is_json() {
        output.json(&Written { file: &arguments.file, spec: &written })?;
    } else {
        output.text(&render::spec::written(&written, &arguments.file))?;
    }
    Ok(Outcome::Done)
}

/// The flags without which there is no spec, and which aren't given.
fn missing(arguments: &InitArguments) -> Vec<&'static str> {
    [
        ("--name", arguments.name.is_none()),
        ("--region", arguments.region.is_none()),
        ("--account", arguments.account.is_none()),
        ("--description", arguments.description.is_none()),
        ("--project", arguments.project.is_none()),
        ("--department", arguments.department.is_none()),
        ("--environment", arguments.environment.is_none()),
        ("--allow", arguments.allow.is_none()),
        ("--ssh-key", arguments.ssh_key.is_none()),
        ("--image", arguments.image.is_none()),
        ("--alert", arguments.alert.is_none()),
    ]
    .into_iter()
    .filter_map(|(flag, is_missing)| is_missing.then_some(flag))
    .collect()
}

/// All answers from flags.
fn take(arguments: &InitArguments) -> Result<Answers, CommandError> {
    let nobody = || CommandError::NobodyToAsk { flags: missing(arguments) };
    let given = arguments.clone();
    Ok(Answers {
        name: given.name.ok_or_else(nobody)?,
        region: given.region.ok_or_else(nobody)?,
        account: given.account.ok_or_else(nobody)?,
        description: given.description.ok_or_else(nobody)?,
        project: given.project.ok_or_else(nobody)?,
        department: given.department.ok_or_else(nobody)?,
        environment: given.environment.ok_or_else(nobody)?,
        allow: given.allow.ok_or_else(nobody)?,
        ssh_key: read_key(&given.ssh_key.ok_or_else(nobody)?)?,
        image: given.image.ok_or_else(nobody)?,
        hosts: given.hosts.unwrap_or(HOSTS),
        monthly_usd: given.monthly_usd.unwrap_or(MONTHLY_USD),
        alert: given.alert.ok_or_else(nobody)?,
        audit: given.audit_account,
    })
}

/// Answers from flags where there are, and else from the terminal.
fn ask<R: BufRead, W: Write>(arguments: &InitArguments, prompt: Prompt<R, W>) -> Result<Answers, CommandError> {
    let given = arguments.clone();
    let mut questions = Questions { prompt };
    let region = std::env::var("AWS_REGION").or_else(|_| std::env::var("AWS_DEFAULT_REGION")).ok();
    let name = questions.value(given.name, "Name of the estate", Some("judge"))?;
    let region = questions.value(given.region, "AWS region", Some(region.as_deref().unwrap_or("eu-central-1")))?;
    let account = questions.value(given.account, "AWS account, twelve digits", None)?;
    Ok(Answers {
        name,
        region,
        description: questions.value(given.description, "What it is for", None)?,
        project: questions.value(given.project, "Tag Project", None)?,
        department: questions.value(given.department, "Tag Department", None)?,
        environment: questions.value(given.environment, "Tag Environment: Prod, Dev or Test", Some("Test"))?,
        allow: questions.value(given.allow, "Range that may reach the bastion by SSH, such as 203.0.113.7/32", None)?,
        ssh_key: questions.key(given.ssh_key.as_deref())?,
        image: questions.value(given.image, "Image of bastion and hosts, ami-…", None)?,
        hosts: questions.number(given.hosts, "Hosts in the first group", HOSTS)?,
        monthly_usd: questions.number(given.monthly_usd, "Budget in a month, US dollars", MONTHLY_USD)?,
        alert: questions.value(given.alert, "E-mail address for alerts", None)?,
        audit: questions.audit(given.audit_account, &account)?,
        account,
    })
}

struct Questions<R, W> {
    prompt: Prompt<R, W>,
}

impl<R: BufRead, W: Write> Questions<R, W> {
    fn value<T: FromStr<Err = Refusal>>(
        &mut self,
        given: Option<T>,
        question: &str,
        default: Option<&str>,
    ) -> Result<T, CommandError> {
        match given {
            Some(value) => Ok(value),
            None => self.prompt.ask(question, default, str::parse),
        }
    }

    fn number(&mut self, given: Option<u32>, question: &str, default: u32) -> Result<u32, CommandError> {
        match given {
            Some(number) => Ok(number),
            None => self.prompt.ask(question, Some(&default.to_string()), str::parse::<u32>),
        }
    }

    fn key(&mut self, given: Option<&Path>) -> Result<SshPublicKey, CommandError> {
        if let Some(path) = given {
            return read_key(path);
        }
        let default = own_key_file().map(|path| path.display().to_string());
        self.prompt.ask("SSH public key file for the bastion", default.as_deref(), |text| {
            read_key(&from_home(text)).map_err(|error| match error.help() {
                Some(help) => format!("{error}; {help}"),
                None => error.to_string(),
            })
        })
    }

    fn audit(&mut self, given: Option<AccountId>, estate: &AccountId) -> Result<Option<AccountId>, CommandError> {
        if given.is_some() {
            return Ok(given);
        }
        self.prompt.ask("Account that keeps the audit trail, or none", Some("none"), |text| match text {
            "none" => Ok(None),
            text if text == estate.as_str() => Err("the trail is kept in another account than the estate's".to_owned()),
            text => text.parse().map(Some).map_err(|refusal: Refusal| refusal.to_string()),
        })
    }
}

/// The one key of a public key file.
fn read_key(path: &Path) -> Result<SshPublicKey, CommandError> {
    let refuse = |problem: String, help: Option<String>| CommandError::SshKey { path: path.to_owned(), problem, help };
    let pub_file = || path.extension().is_none().then(|| format!("the public key is in {}.pub", path.display()));
    let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string(), pub_file()))?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let line = line.ok_or_else(|| refuse("there is no key in it".to_owned(), None))?;
    line.parse().map_err(|refusal: Refusal| refuse(refusal.problem, pub_file().or(refusal.help)))
}

fn own_key_file() -> Option<PathBuf> {
    let directory = std::env::home_dir()?.join(".ssh");
    KEY_FILES.iter().map(|name| directory.join(name)).find(|path| path.is_file())
}

/// A path as people type it: `~/` is the home directory, which a shell isn't here to expand.
fn from_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

/// Writes a file that isn't there yet.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CommandError::Exists { path: path.to_owned() },
        _ => CommandError::WriteFile { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVZ2ycKG0wKIUQp4t6tEtIEQ0CHXGFm4HYAKRQrt1hG ops";

    #[test]
    fn questions_make_a_spec() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("ops.pub");
        fs::write(&key, format!("# mine\n{KEY}\n")).unwrap();
        let answers = format!(
            "Judge\njudge\neu-central-1\n111111111111\nRuns programs\ncontest\nengineering\nTset\nTest\n0.0.0.0/0\n\
             203.0.113.0/24\n/nowhere\n{}\nami-0123456789abcdef0\n3\n\nops@example.org\n111111111111\n222222222222\n",
            key.display()
        );
        let mut shown = Vec::new();
        let answers = ask(&InitArguments::default(), Prompt::new(answers.as_bytes(), &mut shown)).unwrap();
        let spec = spec::parse(spec::first_spec(&answers).as_bytes(), "estate.toml").unwrap().spec;
        assert_eq!((spec.host_count(), spec.budget.monthly_usd), (3, MONTHLY_USD));
        assert_eq!(spec.bastion.ssh_keys[0].as_str(), KEY);
        let shown = String::from_utf8(shown).unwrap();
        for said in ["must begin with a lower-case letter", "isn't an environment", "whole internet", "another account"]
        {
            assert!(shown.contains(said), "{shown}");
        }
    }

    #[test]
    fn flags_are_not_asked_again() {
        let arguments = InitArguments { name: Some("judge".parse().unwrap()), ..InitArguments::default() };
        let mut shown = Vec::new();
        ask(&arguments, Prompt::new(&b""[..], &mut shown)).unwrap_err();
        assert!(!String::from_utf8(shown).unwrap().contains("Name of the estate"));
        assert!(!missing(&arguments).contains(&"--name"));
    }

    #[test]
    fn a_private_key_file_is_refused_with_its_public_one_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("id_ed25519");
        fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n").unwrap();
        let error = read_key(&path).unwrap_err();
        assert!(error.to_string().contains("this is a private key"));
        assert!(error.help().unwrap().ends_with("id_ed25519.pub"));
    }
}
