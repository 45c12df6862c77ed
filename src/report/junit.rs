//! JUnit XML, for build servers.

use std::io;

use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct Junit(Box<dyn Output>);

impl Junit {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Junit {
    fn finish(self: Box<Self>, _report: &v1::Report) -> io::Result<()> {
        self.0.commit()
    }
}
