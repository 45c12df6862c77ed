//! Which engine sweeps.

use std::net::IpAddr;

use super::{SweepError, syn};
use crate::target::TargetSet;

/// How open ports are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// TCP connections, which any process may make.
    #[default]
    Connect,
    /// SYNs alone, which takes CAP_NET_RAW.
    Syn,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    #[default]
    Auto,
    Only(Engine),
}

impl EngineChoice {
    /// The engine for these targets. `Auto` takes SYNs where it can, but on loopback, where
    /// connections are answered before the call returns.
    ///
    /// # Errors
    /// SYNs were asked for, and cannot be sent; why.
    pub fn settle(self, targets: &TargetSet) -> Result<Engine, SweepError> {
        match self {
            Self::Only(Engine::Connect) => Ok(Engine::Connect),
            Self::Only(Engine::Syn) => syn::check().map(|()| Engine::Syn),
            Self::Auto if is_loopback(targets) => Ok(Engine::Connect),
            Self::Auto => Ok(match syn::check() {
                Ok(()) => Engine::Syn,
                Err(error) => {
                    tracing::info!(%error, "no SYNs: sweeping by connections");
                    Engine::Connect
                }
            }),
        }
    }
}

fn is_loopback(targets: &TargetSet) -> bool {
    let loopback = |address: IpAddr| address.is_loopback();
    targets.ranges().all(|(range, _)| loopback(range.first()) && loopback(range.last()))
}
