//! One page for a browser, complete in itself.

use std::io;

use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct Html(Box<dyn Output>);

impl Html {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Html {
    fn finish(self: Box<Self>, _report: &v1::Report) -> io::Result<()> {
        self.0.commit()
    }
}
