//! XML as nmap -oX writes it.

use std::io;

use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct Nmap(Box<dyn Output>);

impl Nmap {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Nmap {
    fn finish(self: Box<Self>, _report: &v1::Report) -> io::Result<()> {
        self.0.commit()
    }
}
