//! What is asked at a terminal, and what an answer does.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::{Person, Ran};

/// Runs a command at a terminal where these answers are typed; what stands on the terminal is its stderr.
fn at_terminal(mut command: Command, answers: &str) -> Ran {
    // Close-on-exec: a command that held the other side too would never see its terminal end.
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).expect("there are pseudo-terminals");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("the terminal can be used");
    let name = ptsname_r(&master).expect("the terminal has a name");
    let slave = || Stdio::from(File::options().read(true).write(true).open(&name).expect("the terminal opens"));
    command.env("TERM", "xterm").stdin(slave()).stderr(slave()).stdout(Stdio::piped());
    let child = command.spawn().expect("provision starts");
    // The command holds copies of its own, and the terminal ends with the last of all.
    drop(command);
    let mut screen = File::from(OwnedFd::from(master));
    screen.write_all(answers.as_bytes()).expect("the terminal takes input");
    let reader = thread::spawn(move || {
        let mut shown = Vec::new();
        // Linux says EIO where the other side of a terminal is closed; what was read until then is kept.
        let _ = screen.read_to_end(&mut shown);
        String::from_utf8_lossy(&shown).replace('\r', "")
    });
    let output = child.wait_with_output().expect("provision ends");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: reader.join().expect("the reader ends"),
    }
}

#[test]
fn apply_and_destroy_ask_and_name_the_estate() {
    let person = Person::with_own_lab("asked");
    at_terminal(person.provision(&["apply"]), "no\n")
        .ended_with(1)
        .tells("Make these changes to estate asked in account")
        .tells("not confirmed; nothing was changed");
    person.run(&["status"]).ended_with(0).says("There is nothing of it");
    at_terminal(person.provision(&["apply"]), "yes\n").ended_with(0).says("Applied ");

    // A yes isn't enough where more is lost by a mistake.
    at_terminal(person.provision(&["destroy"]), "yes\n").ended_with(1).tells("not confirmed");
    person.run(&["status"]).ended_with(0).says("worker 1");
    at_terminal(person.provision(&["destroy"]), "asked\n").ended_with(0).says("Destroyed ");
}

#[test]
fn init_asks_for_what_is_not_given() {
    let person = Person::with_estate("unused");
    std::fs::remove_file(person.path("estate.toml")).unwrap();
    std::fs::create_dir(person.path(".ssh")).unwrap();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVZ2ycKG0wKIUQp4t6tEtIEQ0CHXGFm4HYAKRQrt1hG ops\n";
    std::fs::write(person.path(".ssh/id_ed25519.pub"), key).unwrap();
    let answers = "judge\n\n111111111111\nRuns programs\ncontest\nengineering\n\n203.0.113.0/24\n\n\
                   ami-0123456789abcdef0\n\n\nops@example.org\n\n";
    at_terminal(person.outsider(&["init"]), answers)
        .ended_with(0)
        .says("wrote estate.toml")
        .tells("AWS region [eu-central-1]: ")
        .tells(".ssh/id_ed25519.pub]: ");
    Ran::of(person.outsider(&["validate"])).ended_with(0).says("2 hosts of worker");
}
