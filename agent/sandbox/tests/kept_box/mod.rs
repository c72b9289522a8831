//! Boxes and layers on the virtual machine's kernel, with a disk that has project quotas.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use holdfast_sandbox::{EndedBy, LimitKind, Step};
use nix::mount::{MsFlags, mount};
use tempfile::NamedTempFile;

use super::{MIB, attack};

pub(crate) const MODULES: [&str; 3] = ["fs/quota/quota_tree.ko", "fs/quota/quota_v2.ko", "fs/overlayfs/overlay.ko"];
const DISK: &str = "/lab/disk";
const NO_CGROUP: [&str; 2] = ["--limits", "rlimit-only"];

/// An ext4 with project quotas.
pub(crate) fn disk() -> NamedTempFile {
    let image = NamedTempFile::new().unwrap();
    image.as_file().set_len(64 * MIB as u64).unwrap();
    let options = ["-q", "-O", "project,quota", "-E", "quotatype=prjquota"];
    assert!(Command::new("/usr/sbin/mkfs.ext4").args(options).arg(image.path()).status().unwrap().success());
    image
}

/// Mounts the disk, once for all cases.
fn mounted() -> &'static Path {
    let disk = Path::new(DISK);
    if !disk.exists() {
        fs::create_dir_all(disk).unwrap();
        mount(Some("/dev/nvme0n1"), disk, Some("ext4"), MsFlags::empty(), Some("prjquota")).unwrap();
    }
    disk
}

fn in_box(directory: &Path, options: &[&str], words: &[&str]) -> (String, holdfast_sandbox::Outcome) {
    let options = [&["--box", directory.to_str().unwrap()], &NO_CGROUP[..], options].concat();
    attack(&options, &[&["own"], words].concat())
}

/// What runs inside.
pub(crate) fn run_attack(words: &[&str]) {
    match words {
        // Writes until it can't, in pieces; prints how much there is.
        ["fill", path] => {
            let mut file = File::create(path).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
            println!("{}", file.metadata().unwrap().len());
        }
        ["files", path] => {
            println!("{}", (0..).take_while(|number| File::create(format!("{path}{number}")).is_ok()).count());
        }
        ["write", path, text] => fs::write(path, text).unwrap(),
        ["read", paths @ ..] => {
            for path in paths {
                let owner = fs::symlink_metadata(path).map(|it| it.uid().to_string());
                let text = fs::read_to_string(path).map_err(|error| error.kind().to_string());
                println!("{} {}", owner.unwrap_or_default(), text.unwrap_or_else(|why| why));
            }
        }
        _ => panic!("{words:?}"),
    }
}

pub(crate) fn quota() {
    let job = mounted().join("bounded");
    let bounded = ["--disk", "2M"];
    let size = |printed: &str| printed.parse::<usize>().unwrap();
    let (printed, outcome) = in_box(&job, &bounded, &["fill", "/box/a"]);
    assert!((MIB..=2 * MIB).contains(&size(&printed)), "{printed}");
    assert_eq!((outcome.ended_by, outcome.limits_hit), (EndedBy::Exited, vec![]));
    // What one run wrote, the next one can't write, and of a larger one the rest is left.
    let (printed, _) = in_box(&job, &bounded, &["fill", "/box/b"]);
    assert!(size(&printed) < MIB / 4, "{printed}");
    let (printed, _) = in_box(&job, &["--disk", "3M"], &["fill", "/box/c"]);
    assert!((MIB / 2..=MIB + MIB / 4).contains(&size(&printed)), "{printed}");
    let other = mounted().join("other");
    let (printed, _) = in_box(&other, &bounded, &["files", "/box/"]);
    assert!((400..=512).contains(&size(&printed)), "{printed}");
    // Without a quota it takes what the disk has.
    let free = mounted().join("unbounded");
    let (printed, outcome) = in_box(&free, &[], &["fill", "/box/a"]);
    assert!(size(&printed) > 16 * MIB && outcome.limits_hit.is_empty(), "{printed}");
    let (_, outcome) = in_box(&free, &bounded, &["fill", "/box/b"]);
    let setup = outcome.setup.unwrap();
    assert_eq!((setup.step, setup.errno), (Step::Disk, libc::EEXIST));
    fs::remove_dir_all(free).unwrap();
}

pub(crate) fn kept() {
    let job = mounted().join("job");
    let (_, outcome) = in_box(&job, &[], &["write", "/box/a", "kept"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(in_box(&job, &[], &["read", "/box/a"]).0, "1000 kept");
    assert_eq!(fs::metadata(job.join("files/a")).unwrap().uid(), 0x7ffe_0000 + 1000);
    // The root of this machine is in memory, where this kernel maps no ids, and there are no quotas.
    let (_, outcome) = in_box(Path::new("/tmp/job"), &[], &["read", "/box/a"]);
    let setup = outcome.setup.unwrap();
    assert_eq!((setup.step, setup.errno), (Step::Box, libc::EINVAL));
    assert!(setup.hint.contains("idmapped"), "{}", setup.hint);
    let (_, outcome) = in_box(Path::new("/tmp/job"), &["--disk", "1M"], &["read", "/box/a"]);
    assert_eq!(outcome.setup.unwrap().step, Step::Disk);
}

pub(crate) fn layers() {
    let disk = mounted();
    let [upper, lower] = ["upper", "lower"].map(|name| disk.join(name));
    let write = |layer: &Path, name: &str, text: &str| {
        fs::create_dir_all(layer.join(name).parent().unwrap()).unwrap();
        fs::write(layer.join(name), text).unwrap();
    };
    for (layer, name) in
        [(&lower, "etc/mark"), (&upper, "etc/mark"), (&lower, "opaque/below"), (&upper, "opaque/above")]
    {
        write(layer, name, layer.file_name().unwrap().to_str().unwrap());
    }
    for top in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{top}"), lower.join(top)).unwrap();
    }
    rustix::fs::setxattr(upper.join("opaque"), "trusted.overlay.opaque", b"y", rustix::fs::XattrFlags::empty())
        .unwrap();
    let stack = format!("{}:{}", upper.display(), lower.display());
    let options = ["--image-layers", &stack, "--disk", "1M", "--ro", "/usr", "--limits", "rlimit-only"];
    let words = ["own", "read", "/etc/mark", "/opaque/above", "/opaque/below"];
    let (printed, outcome) = attack(&options, &words);
    assert_eq!(printed, "0 upper\n0 upper\n entity not found", "{outcome:?}");
    let (printed, outcome) = attack(&options, &["own", "fill", "/tmp/a"]);
    assert!(printed.parse::<usize>().unwrap() <= MIB, "{printed}");
    assert_eq!(outcome.limits_hit, [LimitKind::Disk]);
}
