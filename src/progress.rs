//! The progress bar on stderr: addresses done, rate, open ports, endpoints judged, time left.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::scan::Progress;

const TICK: Duration = Duration::from_millis(200);
const RATE_TICKS: usize = 10;

/// Draws until it is dropped.
#[derive(Debug)]
pub struct Display {
    bar: ProgressBar,
    task: tokio::task::JoinHandle<()>,
}

impl Display {
    /// `probes` is the number of pairs of address and port to ask.
    pub fn start(progress: Arc<Progress>, probes: u64) -> Self {
        // Drawn also where stderr is not a terminal: whether to draw at all is the caller's choice.
        let bar = ProgressBar::with_draw_target(Some(probes), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:24} {percent:>3}%  {human_pos}/{human_len} probes  {msg}  {elapsed} elapsed, {eta} left",
        ) {
            bar.set_style(style);
        }
        let drawn = bar.clone();
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            // The rate of the last seconds, not of the whole run: it drops when the sweep is over.
            let mut recent = VecDeque::from([(Instant::now(), 0)]);
            loop {
                tick.tick().await;
                let counts = progress.sweep.counts();
                recent.push_back((Instant::now(), counts.sent));
                if recent.len() > RATE_TICKS {
                    recent.pop_front();
                }
                let (since, before) = recent.front().copied().unwrap_or((Instant::now(), 0));
                let seconds = since.elapsed().as_secs_f64().max(0.001);
                let rate = counts.sent.saturating_sub(before) as f64 / seconds;
                let round = progress.sweep.round();
                // Silence is asked again, which makes the way longer than it looked at first.
                drawn.set_length(probes + if round.round > 0 { round.probes } else { 0 });
                drawn.set_position(round.begun + if round.round > 0 { probes } else { 0 });
                drawn.set_message(format!(
                    "{rate:.0}/s  {} open  {} judged",
                    counts.open,
                    progress.judged.load(Relaxed)
                ));
            }
        });
        Self { bar, task }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}
