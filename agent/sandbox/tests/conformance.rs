//! Conformance by tests that nobody here wrote: CPython's own, those of them that ask most of the system, each ends inside as
//! it does outside. What differs is in a table with its reason; a difference that isn't there fails this test, and so does one
//! that is there and no longer found.
//!
//! The tests are Debian's `libpythonX.Y-testsuite`, for /usr/bin/python3; `cargo lab test` installs it.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Fixture, Who, as_who, is_root};

/// The longest first: what is left at the end runs alone.
const MODULES: &str = "
    test_multiprocessing_fork test_socket test_subprocess test_signal test_selectors test_threading test_eintr test_queue
    test_zipfile test_tarfile test_faulthandler test_os test_asyncore test_ctypes test_dbm test_epoll test_fcntl test_file
    test_fileio test_fork1 test_gc test_genericpath test_getpass test_glob test_grp test_gzip test_httplib test_httpservers
    test_locale test_mmap test_openpty test_pathlib test_pipes test_platform test_poll test_popen test_posix test_posixpath
    test_pty test_pwd test_readline test_resource test_sched test_select test_shutil test_site test_stat test_syslog
    test_tempfile test_thread test_threading_local test_threadsignals test_time test_unicode_file test_uuid test_wait3
    test_wait4 test_zoneinfo";

/// What is left out: tests that sleep for long, that compute for long, or whose result is the machine's (its interfaces).
const LEFT_OUT: &[&str] = &[
    "*SiginterruptTest.test_siginterrupt_off",
    "*PollTests.test_poll2",
    "*TestWait.test_wait_*",
    "*_later*",
    "*.Lzma*",
    "*.WithManager*",
    "*.WithThreads*",
    "*.TestInternals*_getnode",
];

/// Name, result outside, result inside, reason.
type Difference = (&'static str, &'static str, &'static str, &'static str);

const DIFFERENCES: &[Difference] = &[
    (
        "test.test_resource.ResourceTest.test_fsize_ismax",
        "passed",
        "failure",
        "each file that is written has a limit inside (--file-size, 4G)",
    ),
    ("test.test_mmap.LargeMmapTests.test_around_4GB", "passed", "skipped", "a file of 6 GB is above that limit"),
    ("test.test_mmap.LargeMmapTests.test_large_filesize", "passed", "skipped", "a file of 6 GB is above that limit"),
    ("test.test_mmap.LargeMmapTests.test_large_offset", "passed", "skipped", "a file of 6 GB is above that limit"),
];

/// The result of each test, and why it isn't passed.
type Results = BTreeMap<String, (String, String)>;

/// Runs modules, or some of their tests, outside as an ordinary user and inside, at once.
fn run(modules: &[&str], only: &[&str]) -> (Results, Results) {
    let fixture = Fixture::new();
    let (scratch, reports) = (fixture.open_directory("scratch"), fixture.open_directory("reports"));
    let tests = |report: &Path| {
        let mut words = vec!["/usr/bin/python3", "-m", "test", "-j3", "--timeout", "100", "--junit-xml"];
        words.push(report.to_str().unwrap());
        words.extend(LEFT_OUT.iter().flat_map(|pattern| ["-i", pattern]));
        words.extend(only.iter().flat_map(|name| ["-m", name]));
        words.extend(modules);
        words.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let bind = format!("{}:/reports", reports.display());
    let mut inside = fixture.sandbox(Who::Caller);
    inside.args(["--wall", "400s", "--rw", &bind, "--"]).args(tests(Path::new("/reports/inside.xml")));
    let inside = inside.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    // With the same limits as a program has inside; that inside they are what they should be, other tests see to.
    let mut outside = Command::new("prlimit");
    let ordinary = if is_root() { Who::Nobody } else { Who::Caller };
    outside.args(["--nofile=1024:16384", "--core=0"]).args(tests(&reports.join("outside.xml"))).current_dir(&scratch);
    outside.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &scratch).env("TMPDIR", &scratch);
    let outside = as_who(outside, ordinary).stdin(Stdio::null()).output().unwrap();
    let inside = inside.wait_with_output().unwrap();
    let read = |name: &str, output: std::process::Output| {
        let script = format!("{}/tests/conformance/results.py", env!("CARGO_MANIFEST_DIR"));
        let results = Command::new("/usr/bin/python3").arg(script).arg(reports.join(name)).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let end: Vec<&str> = printed.lines().rev().take(40).collect();
        assert!(results.status.success(), "{results:?}: {:?}, {}", end, String::from_utf8_lossy(&output.stderr));
        let result = |line: &str| {
            let mut fields = line.split('\t').map(str::to_owned);
            (fields.next().unwrap(), (fields.next().unwrap(), fields.next().unwrap()))
        };
        String::from_utf8(results.stdout).unwrap().lines().map(result).collect()
    };
    (read("outside.xml", outside), read("inside.xml", inside))
}

/// The tests whose results are not the same, with both.
fn differences(outside: &Results, inside: &Results) -> BTreeMap<String, (String, String, String)> {
    let none = ("absent".to_owned(), String::new());
    let names: BTreeSet<&String> = outside.keys().chain(inside.keys()).collect();
    let both =
        names.into_iter().map(|name| (name, outside.get(name).unwrap_or(&none), inside.get(name).unwrap_or(&none)));
    let differing = both.filter(|(_, outside, inside)| outside.0 != inside.0);
    differing
        .map(|(name, outside, inside)| {
            let why = [&*outside.1, &*inside.1].join(" | ");
            (name.clone(), (outside.0.clone(), inside.0.clone(), why))
        })
        .collect()
}

fn is_explained(name: &str, outside: &str, inside: &str) -> bool {
    DIFFERENCES.iter().any(|it| (it.0, it.1, it.2) == (name, outside, inside))
}

#[test]
fn pythons_own_tests_end_inside_as_they_do_outside() {
    let modules: Vec<&str> = MODULES.split_whitespace().collect();
    let (outside, inside) = run(&modules, &[]);
    let passed = outside.values().filter(|(result, _)| result == "passed").count();
    println!("{} tests in {} modules, of which {passed} pass outside", outside.len(), modules.len());
    assert!(passed > 4000, "only {passed} tests pass outside");

    let mut found = differences(&outside, &inside);
    let no_longer: Vec<&Difference> = DIFFERENCES.iter().filter(|it| !found.contains_key(it.0)).collect();
    assert!(no_longer.is_empty(), "these no longer differ, so they are to be taken out of the table: {no_longer:?}");
    found.retain(|name, (outside, inside, _)| !is_explained(name, outside, inside));
    if !found.is_empty() {
        // Some of them count on the clock, and machines are busy: what is a difference differs again.
        println!("run again: {found:#?}");
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        let (outside, inside) = run(&modules, &names);
        let again = differences(&outside, &inside);
        let ran = |name: &String| outside.contains_key(name) && inside.contains_key(name);
        found.retain(|name, _| again.contains_key(name) || !ran(name));
    }
    assert!(found.is_empty(), "differences without a reason: {found:#?}");
}
