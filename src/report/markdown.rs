//! Markdown, for a ticket or a wiki.

use std::io;

use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct Markdown(Box<dyn Output>);

impl Markdown {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Markdown {
    fn finish(self: Box<Self>, _report: &v1::Report) -> io::Result<()> {
        self.0.commit()
    }
}
