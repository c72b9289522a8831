//! The root file system's options, and what is kept between runs: each does what it says, for root and for others, also
//! where a path, a box or a layer is hostile.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_sandbox::Step;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use support::{Ended, Fixture, Who, as_who, everyone, is_root, need_root, until};

const NOBODY: u32 = 65_534;
/// Owners of files at rest.
const AT_REST: std::ops::Range<u32> = 0x7ffe_0000..0x7fff_0000;

/// A directory in which this user can make boxes.
fn yard(fixture: &Fixture, who: Who) -> PathBuf {
    fixture.open_directory(&format!("yard-{who:?}"))
}

fn in_box(fixture: &Fixture, who: Who, directory: &Path, options: &[&str], script: &str) -> Output {
    let mut command = fixture.sandbox(who);
    command.arg("--box").arg(directory).args(options).args(["--", "sh", "-c", script]);
    command.stdin(Stdio::null()).output().unwrap()
}

fn says(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_one_run_makes_in_a_box_the_next_one_has() {
    let fixture = Fixture::new();
    for who in everyone() {
        let own = yard(&fixture, who).join("job");
        let compile = "pwd; echo 'int main(void) { return 7; }' >main.c && cc main.c -o main && mkdir d";
        assert_eq!(says(&in_box(&fixture, who, &own, &[], compile)), "/box\n");
        let run = "./main; echo $?; stat -c %u:%g:%a . main.c d; rmdir d; echo more >>main.c; pwd";
        let said = says(&in_box(&fixture, who, &own, &["--cwd", "/box/."], run));
        assert_eq!(said, "7\n1000:1000:700\n1000:1000:644\n1000:1000:755\n/box\n");
        let files = own.join("files");
        assert_eq!(std::fs::metadata(&own).unwrap().mode() & 0o7777, 0o700);
        assert!(files.join("main.c").exists() && !files.join("d").exists());
        // Outside, no login user has them, and no run: root's runs have ids of their own.
        let (owner, group) = (std::fs::metadata(files.join("main")).unwrap(), AT_REST.contains(&0x7ffe_0000));
        match is_root() && who == Who::Caller {
            true => assert!(group && AT_REST.contains(&owner.uid()) && AT_REST.contains(&owner.gid())),
            false => assert_eq!(owner.uid(), std::fs::metadata(&own).unwrap().uid()),
        }
    }
}

#[test]
fn another_user_inside_has_the_box_and_not_what_others_made_in_it() {
    need_root("without it there is one user");
    let fixture = Fixture::new();
    let own = yard(&fixture, Who::Caller).join("job");
    says(&in_box(&fixture, Who::Caller, &own, &[], "echo secret >first; chmod 600 first"));
    let script = "cat first; echo own >second; stat -c %u first second";
    let output = in_box(&fixture, Who::Caller, &own, &["--uid", "2000", "--gid", "2000"], script);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1000\n2000\n", "{output:?}");
    assert_eq!(says(&in_box(&fixture, Who::Caller, &own, &[], "cat first second")), "secret\nown\n");
}

#[test]
fn what_cannot_be_a_box_is_refused_and_stays_as_it_is() {
    let fixture = Fixture::new();
    for who in everyone() {
        let yard = yard(&fixture, who);
        let make = |script: &str| {
            assert!(as_who(Command::new("sh"), who).args(["-c", script]).current_dir(&yard).status().unwrap().success())
        };
        make("mkdir real full pipe empty; ln -s real link; touch file full/x; mkfifo pipe/lock; chmod 755 full empty");
        let mut cases = vec![
            ("link", libc::ENOTDIR),
            ("link/", libc::ENOTDIR),
            ("file", libc::ENOTDIR),
            ("full", libc::ENOTEMPTY),
            ("pipe", libc::ENOTEMPTY),
            ("none/job", libc::ENOENT),
        ];
        if is_root() {
            std::fs::create_dir(yard.join("others")).unwrap();
            let other = if who == Who::Caller { NOBODY } else { 0 };
            chown(yard.join("others"), Some(other), None).unwrap();
            std::fs::set_permissions(yard.join("others"), std::fs::Permissions::from_mode(0o777)).unwrap();
            cases.push(("others", libc::EPERM));
        }
        for (name, errno) in cases {
            let path = format!("{}/{name}", yard.display());
            let (output, outcome) = fixture.outcome(who, &["--box", &path], &["true"]);
            let setup = outcome.setup.unwrap();
            assert_eq!(
                (output.status.code(), setup.step, setup.errno),
                (Some(125), Step::Box, errno),
                "{name}: {output:?}"
            );
        }
        assert_eq!(std::fs::metadata(yard.join("full")).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(std::fs::read_dir(yard.join("real")).unwrap().count(), 0);
        // One that was made for it is closed to others.
        says(&in_box(&fixture, who, &yard.join("empty"), &[], "touch x"));
        assert_eq!(std::fs::metadata(yard.join("empty")).unwrap().mode() & 0o7777, 0o700);
        for options in [["--tmpfs", "/box=1M"], ["--ro", "/usr:/box"], ["--box", "/a/../b"]] {
            let output = in_box(&fixture, who, &yard.join("empty"), &options, "true");
            assert_eq!(output.status.code(), Some(125), "{options:?}: {output:?}");
        }
    }
}

#[test]
fn one_sandbox_at_a_time_has_a_box_and_a_killed_one_gives_it_back() {
    let fixture = Fixture::new();
    for who in everyone() {
        let own = yard(&fixture, who).join("job");
        let mut command = fixture.sandbox(who);
        command.arg("--box").arg(&own).args(["--", "sh", "-c", "echo up; exec sleep 1000"]);
        let mut first = Ended(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
        BufReader::new(first.0.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
        let output = in_box(&fixture, who, &own, &[], "true");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && said.contains("another sandbox has this box"), "{output:?}");
        first.0.kill().unwrap();
        first.0.wait().unwrap();
        until("the box is free", || in_box(&fixture, who, &own, &[], "true").status.success());
    }
}

#[test]
fn what_a_hostile_run_leaves_in_its_box_harms_neither_the_next_nor_the_host() {
    let fixture = Fixture::new();
    let hostile = "cp /usr/bin/id id && chmod 6755 id && cp /bin/sh sh && chmod 6755 sh; ln id hard; ln -s /etc/shadow shadow; \
                   ln -s / root; mkfifo pipe; touch none; chmod 0 none; mknod null c 1 3 2>/dev/null; ln /usr/bin/id foreign 2>/dev/null; \
                   python3 -c 'import os; os.rename(\"/box\", \"/tmp/away\")' 2>&1 | grep -o 'Errno [0-9]*'; rmdir /box 2>/dev/null; \
                   chmod 777 /box; ls /tmp | wc -l";
    let next = "ls | tr '\\n' ' '; ./id -u; ./sh -c 'id -u'; cat shadow 2>/dev/null; ls root | grep -c lost+found; \
                cat none 2>/dev/null; chmod 600 none && cat none; rm id; echo fine";
    for who in everyone() {
        let own = yard(&fixture, who).join("job");
        assert_eq!(says(&in_box(&fixture, who, &own, &[], hostile)), "Errno 18\n0\n");
        // The set-user-id program is there, and who is neither the caller nor root can't get at it.
        let files = own.join("files");
        if is_root() {
            let other = if who == Who::Caller { NOBODY } else { 2 };
            let script = format!("{0}/sh -c 'id -u' || test -r {0}/id", files.display());
            let output = as_another(other, &script);
            assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        }
        says(&in_box(&fixture, who, &own, &[], "chmod 0 /box"));
        let said = says(&in_box(&fixture, who, &own, &[], next));
        assert_eq!(said, "hard id none pipe root sh shadow 1000\n1000\n0\nfine\n");
        assert!(files.join("shadow").is_symlink() && files.join("hard").exists() && !files.join("id").exists());
    }
}

fn as_another(uid: u32, script: &str) -> Output {
    use std::os::unix::process::CommandExt;
    Command::new("sh").args(["-c", script]).uid(uid).gid(uid).output().unwrap()
}

/// An overlay can't show its files under other ids, and a directory of it can't be root's box.
#[test]
fn a_file_system_that_cannot_map_ids_is_told() {
    need_root("who has one id needs no map, and only root can mount an overlay here");
    let fixture = Fixture::new();
    for name in ["lower", "upper", "work", "merged"] {
        fixture.open_directory(name);
    }
    let mount = "cd $0 && mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work merged && exec \"$@\"";
    let directory = fixture.directory.path().to_str().unwrap();
    let job = format!("{directory}/merged/job");
    for (who, works) in [(Who::Caller, false), (Who::Nobody, true)] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", mount, directory]);
        if who == Who::Nobody {
            command.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        command.arg(fixture.path("sandbox")).args(["--limits", "rlimit-only", "--box", &job, "--", "true"]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.success(), said.contains("box (") && said.contains("EINVAL") && said.contains("ext4")),
            (works, !works),
            "{output:?}"
        );
        std::fs::remove_dir_all(fixture.path("upper/job")).unwrap();
    }
}

/// A root file system: places to mount on, links into /usr, and a mark of its own.
fn make_root(fixture: &Fixture, name: &str, directories: &[&str]) -> PathBuf {
    let root = fixture.path(name);
    for directory in std::iter::once(&"").chain(directories) {
        std::fs::create_dir(root.join(directory)).unwrap();
    }
    for top in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{top}"), root.join(top)).unwrap();
    }
    std::fs::write(root.join("mark"), name).unwrap();
    root
}

#[test]
fn proc_and_dev_are_there_unless_they_are_left_out() {
    let fixture = Fixture::new();
    let root = make_root(&fixture, "bare", &["usr", "tmp"]);
    let root = root.to_str().unwrap();
    let script = "for f in /proc/self/stat /proc/keys /dev/null /dev/shm /dev/fd; do test -e $f && echo $f; done; \
                  read x </proc/key-users && echo $x; echo x >/tmp/x && read y </tmp/x && echo $y";
    let both = "/proc/self/stat\n/proc/keys\n/dev/null\n/dev/shm\n/dev/fd\nx\n";
    let (no_dev, no_proc) = ("/proc/self/stat\n/proc/keys\nx\n", "/dev/null\n/dev/shm\nx\n");
    for who in everyone() {
        for (options, expected) in [
            (&[][..], both),
            (&["--proc", "own", "--dev", "minimal"], both),
            (&["--dev", "none"], no_dev),
            (&["--proc", "none"], no_proc),
            (&["--proc", "none", "--dev", "none"], "x\n"),
            (&["--proc", "none", "--dev", "none", "--root", root, "--ro", "/usr"], "x\n"),
            (&["--dev", "none", "--tmpfs", "/dev/shm=1M"], "/proc/self/stat\n/proc/keys\n/dev/shm\nx\n"),
        ] {
            let mut command = fixture.sandbox(who);
            let output = command.args(options).args(["--", "sh", "-c", script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{options:?}: {output:?}");
        }
        let nested = fixture.sandbox(who).args(["--nested", "--proc", "none", "--", "true"]).output().unwrap();
        assert_eq!(nested.status.code(), Some(125), "{nested:?}");
    }
}

/// Whoever can rename in the directory above swaps what is shown for a link to the host's root while sandboxes start.
#[test]
fn a_path_that_changes_underneath_shows_what_it_was_or_nothing() {
    let fixture = Fixture::new();
    let tree = make_root(&fixture, "tree", &["usr", "proc", "dev", "tmp"]);
    let link = fixture.path("link");
    symlink("/", &link).unwrap();
    let done = AtomicBool::new(false);
    let swap = || {
        while !done.load(Ordering::Relaxed) {
            renameat2(AT_FDCWD, &tree, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
        }
    };
    let bind = format!("{}:/data", tree.display());
    std::thread::scope(|scope| {
        scope.spawn(swap);
        let tries = || {
            for who in everyone() {
                let (mut shown, mut refused) = (0, 0);
                while shown < 5 || refused < 5 {
                    let mut command = fixture.sandbox(who);
                    match (shown + refused) % 2 {
                        0 => command.args(["--ro", &bind, "--", "/usr/bin/cat", "/data/mark"]),
                        _ => command.arg("--root").arg(&tree).args(["--ro", "/usr", "--", "/usr/bin/cat", "/mark"]),
                    };
                    let output = command.output().unwrap();
                    match output.status.code() {
                        Some(0) if output.stdout == b"tree" => shown += 1,
                        Some(125) => refused += 1,
                        _ => return Err(output),
                    }
                }
            }
            Ok(())
        };
        let tried = tries();
        done.store(true, Ordering::Relaxed);
        tried.unwrap();
    });
}
