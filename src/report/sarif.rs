//! SARIF 2.1.0, for code scanning.

use std::io;

use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct Sarif(Box<dyn Output>);

impl Sarif {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Sarif {
    fn finish(self: Box<Self>, _report: &v1::Report) -> io::Result<()> {
        self.0.commit()
    }
}
