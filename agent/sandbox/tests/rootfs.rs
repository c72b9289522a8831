//! The root file system's options, and what is kept between runs: each does what it says, for root and for others, also
//! where a path, a box or a layer is hostile.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_sandbox::{LimitKind, Step};
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

/// Two layers that are this user's: the upper one replaces a file, removes one, and hides a directory.
fn make_layers(fixture: &Fixture, who: Who) -> (PathBuf, PathBuf) {
    let (upper, lower) = (fixture.path(&format!("upper-{who:?}")), fixture.path(&format!("lower-{who:?}")));
    let by = if is_root() && who == Who::Caller { "trusted" } else { "user" };
    let script = "umask 022; mkdir -p $0/etc $0/opaque $1/etc $1/opaque $1/usr $1/home && cd $1 && ln -s usr/bin usr/lib usr/lib64 . && \
                  echo lower >etc/mark && echo x >etc/gone && echo x >opaque/below && echo x >etc/shadow && chmod 600 etc/shadow && \
                  cp /usr/bin/id id && chmod 4755 id && cd $0 && echo upper >etc/mark && mknod etc/gone c 0 0 && echo x >opaque/above && \
                  python3 -c 'import os, sys; os.setxattr(\"opaque\", sys.argv[1] + \".overlay.opaque\", b\"y\")' $2";
    let mut command = Command::new("sh");
    command.args(["-c", script]).args([&upper, &lower]).arg(by);
    assert!(command.status().unwrap().success());
    // As an image has it, a user's files among root's.
    let owners = match (is_root(), who) {
        (true, Who::Caller) => "chown -R 1000:1000 $0/home",
        (true, Who::Nobody) => "chown -R 65534:65534 $0 $1",
        (false, _) => ":",
    };
    assert!(Command::new("sh").args(["-c", owners]).args([&lower, &upper]).status().unwrap().success());
    (upper, lower)
}

fn stacked((upper, lower): &(PathBuf, PathBuf)) -> String {
    format!("{}:{}", upper.display(), lower.display())
}

/// Names, owners, modes, sizes and times of all files below.
fn listing(directory: &Path) -> String {
    let output = Command::new("find").arg(directory).args(["-printf", "%p %u %g %m %s %T@ %l\\n"]).output().unwrap();
    says(&output)
}

#[test]
fn layers_are_stacked_as_an_overlay_and_their_ids_are_the_sandboxs() {
    let fixture = Fixture::new();
    let script = "cat /etc/mark; echo /etc/* /opaque/*; echo x 2>/dev/null >/home/new || echo read-only; \
                  for f in /etc/mark /home; do stat -c %u $f; done; cat /etc/shadow 2>/dev/null; /id -u; echo x >/tmp/x";
    for who in everyone() {
        let layers = make_layers(&fixture, who);
        for directory in ["proc", "dev", "tmp"] {
            std::fs::create_dir(layers.1.join(directory)).unwrap();
        }
        let before = listing(&layers.1);
        let mut command = fixture.sandbox(who);
        command.args(["--image-layers", &stacked(&layers), "--ro", "/usr", "--", "sh", "-c", script]);
        // Root's image has root's files; who has one id owns all that is his.
        let owners = if is_root() && who == Who::Caller { "0\n1000\n" } else { "1000\n1000\nx\n" };
        let expected = format!("upper\n/etc/mark /etc/shadow /opaque/above\nread-only\n{owners}1000\n");
        assert_eq!(says(&command.output().unwrap()), expected);
        let mut command = fixture.sandbox(who);
        command.arg("--image-layers").arg(&layers.1).args(["--ro", "/usr", "--", "sh", "-c", script]);
        let expected = format!("lower\n/etc/gone /etc/mark /etc/shadow /opaque/below\nread-only\n{owners}1000\n");
        assert_eq!(says(&command.output().unwrap()), expected);
        assert_eq!(listing(&layers.1), before);
    }
}

#[test]
fn layers_can_be_written_to_in_memory_that_is_bounded_with_tmp() {
    let fixture = Fixture::new();
    let script = "echo more >>/home/new && cat /home/new; stat -c '%u %a' /tmp; rm -r /home/new; mkdir /tmp/d; echo /box/* /input/*; \
                  head -c 3M /dev/zero >/home/big; head -c 3M /dev/zero >/tmp/big 2>/dev/null || echo full; echo x >/dev/shm/x";
    for who in everyone() {
        let layers = make_layers(&fixture, who);
        let before = [&layers.0, &layers.1].map(|it| listing(it));
        let input = format!("{}:/input", layers.0.join("etc").display());
        let layers = stacked(&layers);
        let options = ["--image-layers", &layers, "--disk", "5M", "--ro", "/usr", "--ro", &input];
        let (output, outcome) = fixture.outcome(who, &options, &["sh", "-c", script]);
        let owner = if is_root() && who == Who::Caller { "0" } else { "1000" };
        let said = String::from_utf8_lossy(&output.stdout);
        let expected = format!("more\n{owner} 1777\n/box/* /input/gone /input/mark\nfull\n");
        assert!(said.starts_with(&expected), "{output:?}");
        assert_eq!(outcome.limits_hit, [LimitKind::Disk], "{output:?}");
        let (_, outcome) = fixture.outcome(who, &options, &["sh", "-c", "head -c 1M /dev/zero >/tmp/x"]);
        assert_eq!((outcome.code, outcome.limits_hit), (Some(0), vec![]));
        let after = ["upper", "lower"].map(|it| listing(&fixture.path(&format!("{it}-{who:?}"))));
        assert_eq!(after, before);
    }
}

#[test]
fn a_disk_bounds_tmp_whatever_the_root_is() {
    let fixture = Fixture::new();
    let root = make_root(&fixture, "root", &["usr", "tmp", "proc", "dev"]);
    let root = ["--root", root.to_str().unwrap(), "--ro", "/usr"];
    for who in everyone() {
        for base in [&root[..], &[]] {
            for (size, script, hit, code) in [
                ("1M", "head -c 2M /dev/zero >/tmp/x", vec![LimitKind::Disk], 1),
                ("100M", "head -c 90M /dev/zero >/tmp/x", vec![], 0),
                ("1M", "i=0; while : >/tmp/$i; do i=$((i+1)); done", vec![LimitKind::Disk], 2),
                // What was full for a moment only, nobody knows.
                ("1M", "head -c 2M /dev/zero >/tmp/x; rm /tmp/x", vec![], 0),
            ] {
                let options = [base, &["--disk", size]].concat();
                let (output, outcome) = fixture.outcome(who, &options, &["sh", "-c", script]);
                assert_eq!((outcome.limits_hit, outcome.code), (hit, Some(code)), "{script}: {output:?}");
            }
        }
        // What the caller mounts has its own size, and is nobody's limit but its own.
        let options = ["--disk", "1M", "--tmpfs", "/tmp=3M"];
        let (_, outcome) = fixture.outcome(who, &options, &["sh", "-c", "head -c 3M /dev/zero >/tmp/x"]);
        assert_eq!((outcome.limits_hit, outcome.code), (vec![], Some(0)));
        for wrong in ["0", "16777216T", "x"] {
            let output = fixture.sandbox(who).args(["--disk", wrong, "--", "true"]).output().unwrap();
            assert_eq!(output.status.code(), Some(125), "{wrong}: {output:?}");
        }
    }
}

/// Where there is one is a test in the virtual machine.
#[test]
fn a_box_is_bounded_by_a_quota_or_nothing_runs() {
    let fixture = Fixture::new();
    for who in everyone() {
        let own = yard(&fixture, who).join("job");
        let (output, outcome) =
            fixture.outcome(who, &["--box", own.to_str().unwrap(), "--disk", "1M"], &["echo", "ran"]);
        let setup = outcome.setup.unwrap();
        let (errno, hint) = match is_root() && who == Who::Caller {
            true => (libc::EOPNOTSUPP, "prjquota"),
            false => (libc::EPERM, "root"),
        };
        assert_eq!((output.status.code(), setup.step, setup.errno), (Some(125), Step::Disk, errno), "{output:?}");
        assert!(setup.hint.contains(hint) && !String::from_utf8_lossy(&output.stdout).contains("ran"), "{output:?}");
        says(&in_box(&fixture, who, &own, &[], "true"));
    }
}

#[test]
fn layers_that_cannot_be_a_root_are_refused_with_their_step() {
    let fixture = Fixture::new();
    for who in everyone() {
        let layers = make_layers(&fixture, who);
        let linked = fixture.path(&format!("linked-{who:?}"));
        std::fs::create_dir(&linked).unwrap();
        symlink("/usr", linked.join("proc")).unwrap();
        symlink("/usr", linked.join("input")).unwrap();
        let (upper, lower) = (layers.0.to_str().unwrap(), layers.1.to_str().unwrap());
        let (over, with) = (linked.to_str().unwrap(), stacked(&layers));
        for (stack, step, errno) in [
            // Nowhere to mount, and nothing is made in a layer.
            (with.clone(), Step::Dev, libc::ENOENT),
            (format!("{upper}:{lower}:{upper}"), Step::Layers, libc::ELOOP),
            (format!("{upper}/etc:{upper}"), Step::Layers, libc::ELOOP),
            (format!("{upper}:{lower}/etc/mark"), Step::HostPath, libc::ENOTDIR),
            (format!("{upper}:/no/such"), Step::HostPath, libc::ENOENT),
            (format!("{upper}:/"), Step::HostPath, 0),
            (format!("{over}:{with}"), Step::Proc, libc::ELOOP),
        ] {
            // The last but for the first: with a root to write to nothing else is missing.
            let disk: &[&str] = if step == Step::Dev { &[] } else { &["--disk", "1M"] };
            let options = [&["--image-layers", &stack, "--ro", "/usr"], disk].concat();
            let (output, outcome) = fixture.outcome(who, &options, &["true"]);
            let setup = outcome.setup.unwrap();
            assert_eq!(
                (output.status.code(), setup.step, setup.errno),
                (Some(125), step, errno),
                "{stack}: {output:?}"
            );
        }
        let many = vec![upper; 101].join(":");
        for options in [
            ["--image-layers", upper, "--root", lower],
            ["--image-layers", &many, "--disk", "1M"],
            ["--image-layers", "", "--disk", "1M"],
        ] {
            let output = fixture.sandbox(who).args(options).args(["--", "true"]).output().unwrap();
            assert_eq!(output.status.code(), Some(125), "{output:?}");
        }
    }
}

/// More than have names of one character, and as many as there can be.
#[test]
fn a_hundred_layers_are_one_root() {
    let fixture = Fixture::new();
    for who in everyone() {
        let (_, lower) = make_layers(&fixture, who);
        let mut stack: Vec<String> = (0..99)
            .map(|number| {
                let layer = fixture.path(&format!("{number}-{who:?}"));
                std::fs::create_dir(&layer).unwrap();
                std::fs::write(layer.join(format!("file-{number}")), "").unwrap();
                layer.display().to_string()
            })
            .collect();
        stack.push(lower.display().to_string());
        let mut command = fixture.sandbox(who);
        command.args([
            "--image-layers",
            &stack.join(":"),
            "--disk",
            "1M",
            "--ro",
            "/usr",
            "--",
            "sh",
            "-c",
            "ls / | grep -c file-",
        ]);
        assert_eq!(says(&command.output().unwrap()), "99\n");
    }
}

/// An upper layer whose attributes say that its file's content is another's, which the program can't read.
#[test]
fn a_layer_shows_no_other_content_by_its_attributes() {
    need_root("the attributes are root's");
    let fixture = Fixture::new();
    let layers = make_layers(&fixture, Who::Caller);
    let script = "import os\nopen('show', 'w').close(); os.truncate('show', 2)\n\
                  os.setxattr('show', 'trusted.overlay.metacopy', b'')\nos.setxattr('show', 'trusted.overlay.redirect', b'/etc/shadow')\n\
                  os.mkdir('other'); os.setxattr('other', 'trusted.overlay.redirect', b'/opaque')";
    assert!(Command::new("python3").args(["-c", script]).current_dir(&layers.0).status().unwrap().success());
    let mut command = fixture.sandbox(Who::Caller);
    command.args([
        "--image-layers",
        &stacked(&layers),
        "--disk",
        "1M",
        "--ro",
        "/usr",
        "--",
        "sh",
        "-c",
        "cat /show; ls /other/below; echo over",
    ]);
    assert_eq!(says(&command.output().unwrap()), "over\n");
}

/// Whatever the root is made of, nothing else is mounted than what was asked for, and nothing twice.
#[test]
fn no_mount_of_the_host_is_left_inside() {
    let fixture = Fixture::new();
    let root = make_root(&fixture, "root", &["usr", "tmp", "proc", "dev", "box"]);
    let script = "while read -r _ _ _ _ point _; do case $point in /|/usr|/tmp|/box|/proc|/proc/*|/dev|/dev/*|/etc/*|/bin|/sbin|/lib*) echo $point;; \
                  *) echo foreign $point;; esac; done </proc/self/mountinfo; ls /..";
    for who in everyone() {
        let layers = stacked(&make_layers(&fixture, who));
        let own = yard(&fixture, who).join("job");
        let lower = fixture.path(&format!("lower-{who:?}"));
        for base in [
            vec![],
            vec!["--root", root.to_str().unwrap(), "--ro", "/usr"],
            vec!["--image-layers", &layers, "--disk", "1M", "--ro", "/usr"],
            vec!["--image-layers", lower.to_str().unwrap(), "--disk", "1M", "--ro", "/usr"],
            vec!["--box", own.to_str().unwrap()],
        ] {
            let output = fixture.sandbox(who).args(&base).args(["--", "sh", "-c", script]).output().unwrap();
            let said = says(&output);
            assert!(
                !said.contains("foreign") && said.lines().filter(|point| *point == "/").count() == 1,
                "{base:?}: {said}"
            );
            assert!(!said.contains("boot"), "{base:?}: {said}");
        }
    }
}

#[test]
fn a_full_disk_of_the_caller_is_the_programs_error_and_no_more() {
    need_root("only root can mount a small disk");
    let fixture = Fixture::new();
    let disk = fixture.open_directory("disk");
    let mount = "mount -t tmpfs -o size=64K,mode=777 none $0 && exec \"$@\"";
    let out = disk.join("out");
    for (options, program, code, says) in [
        (&[][..], "head -c 1M /dev/zero; echo $? >&2; exit 3", 3, "No space left on device"),
        (&["--output-limit", "2M"], "head -c 1M /dev/zero; exit 3", 3, ""),
    ] {
        for user in [&[][..], &["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]] {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", mount]).arg(&disk).args(user).arg(fixture.path("sandbox"));
            command.args(["--limits", "rlimit-only", "--stdout"]).arg(&out).args(options);
            let output = command.args(["--", "sh", "-c", program]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(code) && said.contains(says), "{options:?}: {output:?}");
        }
    }
}

/// Whoever can rename in the directory above swaps what is shown for a link to the host's root while sandboxes start.
#[test]
fn a_path_that_changes_underneath_shows_what_it_was_or_nothing() {
    let fixture = Fixture::new();
    let tree = make_root(&fixture, "tree", &["usr", "proc", "dev", "tmp"]);
    let link = fixture.path("link");
    symlink("/", &link).unwrap();
    let layer = fixture.open_directory("layer");
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
                    match (shown + refused) % 3 {
                        0 => command.args(["--ro", &bind, "--", "/usr/bin/cat", "/data/mark"]),
                        1 => {
                            let layers = format!("{}:{}", layer.display(), tree.display());
                            command.args(["--image-layers", &layers, "--ro", "/usr", "--", "/usr/bin/cat", "/mark"])
                        }
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
