//! A request's caller: known and allowed in, or turned away and recorded.

use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use super::App;
use super::error::{Code, Refusal};
use super::peer::{ConnectedPeer, Role};
use super::types::Owner;
use crate::trail::events;

/// Who asks, and what he may do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) owner: Owner,
    pub(crate) role: Role,
}

impl Caller {
    /// Whether this caller may see and change what `owner` started.
    pub(crate) fn may_touch(&self, owner: &Owner) -> bool {
        self.role == Role::Operator || self.owner.uid == owner.uid
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let refusal = || {
            Refusal::new(
                Code::AccessDenied,
                format!("only root and members of the group {} may use this agent", app.config.group),
            )
        };
        let Some(ConnectInfo(ConnectedPeer(Some(peer)))) =
            parts.extensions.get::<ConnectInfo<ConnectedPeer>>().cloned()
        else {
            return Err(refusal());
        };
        let role = peer.role(app.group);
        let uid = peer.uid;
        // The user database may be a network away.
        let user = tokio::task::spawn_blocking(move || peer.user_name()).await.unwrap_or_default();
        let owner = Owner { uid, user };
        if let Some(role) = role {
            return Ok(Self { owner, role });
        }
        let refusal = refusal();
        let stranger = Self { owner, role: Role::Runner };
        let event = events::turned_away(&stranger, parts.method.as_str(), parts.uri.path(), &refusal);
        if let Err(error) = app.recorder.record(event).await {
            tracing::error!(uid, %error, "a caller without rights was turned away, which could not be recorded");
        }
        Err(refusal)
    }
}
