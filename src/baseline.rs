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
impl Baseline {
    pub fn new(
        _o: &crate::observation::Observation,
        _a: &crate::assess::Assessment,
        _f: &[crate::finding::Finding],
    ) -> Self {
        let check = || Check { status: CheckStatus::Unknown, reason: String::new() };
        Self {
            socket_not_exposed: check(),
            tls: check(),
            rootless: check(),
            up_to_date: check(),
            icc_disabled: check(),
            userns_remap: check(),
        }
    }
}
