//! The six questions of the baseline, each answered with a reason.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    pub socket_not_exposed: Check,
    pub tls: Check,
    pub rootless: Check,
    pub up_to_date: Check,
    pub icc_disabled: Check,
    pub userns_remap: Check,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub status: CheckStatus,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStatus {
    Pass,
    Fail,
    Unknown,
    NotApplicable,
}
