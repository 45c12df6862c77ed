//! Metrics for node_exporter's textfile collector.

use std::io;

use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct Prometheus(Box<dyn Output>);

impl Prometheus {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Prometheus {
    fn finish(self: Box<Self>, _report: &v1::Report) -> io::Result<()> {
        self.0.commit()
    }
}
