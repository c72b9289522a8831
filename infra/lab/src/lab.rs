//! A lab of a test's own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::control_plane::{Account, Announcement, ControlPlane, Identity};
use crate::error::LabError;
use crate::layout::Layout;
use crate::process::ProcessIdentity;
use crate::server::{Server, Toolchain};

/// A control plane with its own process, ports and organisation. It ends when this is dropped, and also when the
/// process that holds it is killed.
pub struct Lab {
    plane: ControlPlane,
    _process: Running,
}

/// What ends the control plane when it is dropped.
enum Running {
    /// One that was started.
    Server(#[expect(dead_code, reason = "held to be dropped")] Server),
    /// A copy of one.
    Copy(ProcessIdentity),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Running::Copy(process) = self {
            // Where it can't be ended now, it ends with what it is a copy of.
            let _goes_later = process.end();
        }
    }
}

impl Lab {
    /// Starts one; its certificates and log go into the directory. What all labs share (interpreters, packages) is
    /// installed first where it isn't there.
    pub fn start(directory: &Path) -> Result<Lab, LabError> {
        let tools = Toolchain::prepare(&Layout::of_this_workspace())?;
        let (server, announcement, certificates) = Server::start(&tools, directory)?;
        let plane = ControlPlane { announcement, trust: certificates.authority };
        Ok(Lab { plane, _process: Running::Server(server) })
    }

    /// Another one with all that was made in this one so far, in some milliseconds. This one is to be at rest, and the
    /// copy ends with it at the latest.
    pub fn copy(&self) -> Result<Lab, LabError> {
        let announcement: Announcement = self.plane.own_call("copy", &[])?;
        let process = ProcessIdentity::of(announcement.pid).ok_or(LabError::NotUp)?;
        let plane = ControlPlane { announcement, trust: self.plane.trust.clone() };
        Ok(Lab { plane, _process: Running::Copy(process) })
    }

    /// Makes all objects in S3 so much older than they are: a lock expires at once.
    pub fn age_objects(&self, by: Duration) -> Result<(), LabError> {
        let _aged: u64 = self.plane.own_call("age-objects", &[("seconds", &by.as_secs().to_string())])?;
        Ok(())
    }

    /// All that is known of it.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Variables that point any AWS SDK or the AWS CLI here: `lab.env(Account::Workloads)`, `lab.env("i-…")`.
    pub fn env(&self, identity: impl Into<Identity>) -> Result<Vec<(String, String)>, LabError> {
        self.plane.env(identity)
    }

    /// Points a command here as an identity, whatever this process's environment says of AWS.
    pub fn point(&self, command: &mut Command, identity: impl Into<Identity>) -> Result<(), LabError> {
        self.plane.point(command, identity)
    }

    /// Hides what later requests make, change and delete from as many requests after each: eventual consistency. 0 ends
    /// it.
    pub fn set_eventual(&self, requests: u32) -> Result<(), LabError> {
        self.plane.set_eventual(requests)
    }

    /// The HTTPS endpoint of every service.
    pub fn endpoint(&self) -> &str {
        self.plane.endpoint()
    }

    /// The same services over plain HTTP.
    pub fn plain_endpoint(&self) -> &str {
        self.plane.plain_endpoint()
    }

    /// An account's id.
    pub fn account_id(&self, account: Account) -> &str {
        self.plane.account_id(account)
    }

    /// The stock image in the workloads account.
    pub fn stock_image(&self) -> &str {
        self.plane.stock_image()
    }
}
