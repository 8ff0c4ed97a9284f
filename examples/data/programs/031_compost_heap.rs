use std::collections::BTreeMap;
use std::fmt::Display;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scrap {
    Peel,
    Leaf,
    Twig,
}

trait Decay {
    fn weeks(&self, warm: bool) -> u32;
}

impl Decay for Scrap {
    fn weeks(&self, warm: bool) -> u32 {
        let base = match self {
            Scrap::Peel => 6,
            Scrap::Leaf => 20,
            Scrap::Twig => 52,
        };
        base / (1 + u32::from(warm))
    }
}

fn describe<M: Decay, W: Display>(heap: &BTreeMap<W, M>, warm: bool) -> Vec<String> {
    let line = |(label, scrap): (&W, &M)| format!("{label}: {}w", scrap.weeks(warm));
    heap.iter().map(line).collect()
}

fn main() {
    let mut heap = BTreeMap::new();
    let mut layer = String::from("bottom");
    heap.insert(layer.clone(), Scrap::Twig);
    layer.push_str("-top");
    heap.insert(layer, Scrap::Leaf.min(Scrap::Peel));
    println!("{}", describe(&heap, true).join(", "));
}
