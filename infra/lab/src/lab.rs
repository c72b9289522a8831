//! A lab of a test's own.

use std::path::Path;
use std::process::Command;

use crate::control_plane::{Account, ControlPlane, Identity};
use crate::error::LabError;
use crate::layout::Layout;
use crate::server::{Server, Toolchain};

/// A control plane with its own process, ports and organisation. It ends when this is dropped, and also when the
/// process that holds it is killed.
pub struct Lab {
    plane: ControlPlane,
    _server: Server,
}

impl Lab {
    /// Starts one; its certificates and log go into the directory. What all labs share (interpreters, packages) is
    /// installed first where it isn't there.
    pub fn start(directory: &Path) -> Result<Lab, LabError> {
        let tools = Toolchain::prepare(&Layout::of_this_workspace())?;
        let (server, announcement, certificates) = Server::start(&tools, directory)?;
        Ok(Lab { plane: ControlPlane { announcement, trust: certificates.authority }, _server: server })
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
