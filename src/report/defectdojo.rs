//! DefectDojo's generic findings, in JSON.

use std::io;

use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct DefectDojo(Box<dyn Output>);

impl DefectDojo {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for DefectDojo {
    fn finish(self: Box<Self>, _report: &v1::Report) -> io::Result<()> {
        self.0.commit()
    }
}
