//! One finding a row, for spreadsheets.

use std::io;

use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct Csv(Box<dyn Output>);

impl Csv {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Csv {
    fn finish(self: Box<Self>, _report: &v1::Report) -> io::Result<()> {
        self.0.commit()
    }
}
