use std::fmt::Debug;
use std::slice::Windows;

#[derive(Debug, Clone, PartialEq)]
struct Gauge<L> {
    levels: Vec<L>,
}

trait Trend<L> {
    fn pairs(&self) -> Windows<'_, L>;
    fn log_level(&mut self, level: L, keep: usize);
}

impl<L> Trend<L> for Gauge<L> {
    fn pairs(&self) -> Windows<'_, L> {
        self.levels.windows(2)
    }

    fn log_level(&mut self, level: L, keep: usize) {
        self.levels.truncate(keep);
        self.levels.insert(0, level);
    }
}

fn rising<L: PartialOrd + Debug, G: Trend<L>>(gauge: &G, bridge: &str) -> Option<String> {
    let mut grown = gauge.pairs().filter(|pair| pair[0] > pair[1]);
    let latest = grown.next()?;
    Some(format!("{bridge}: {:?} -> {:?}", latest[1], latest[0]))
}

fn main() {
    let levels = vec![182];
    let mut gauge = Gauge { levels };
    let morning = gauge.clone();
    for level in [176, 190, 215] {
        gauge.log_level(level, 3);
    }
    println!("{}", rising(&gauge, "Mill bridge").unwrap());
    println!("{}", gauge == morning);
}
