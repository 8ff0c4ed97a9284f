use std::collections::HashMap;
use std::fmt::Display;

#[derive(Clone, PartialEq)]
struct Hive {
    queen: String,
    frames: u32,
    honey_kg: f64,
}

trait Harvest {
    fn extract(&mut self, share: f64) -> f64;
}

impl Harvest for Hive {
    fn extract(&mut self, share: f64) -> f64 {
        let taken = self.honey_kg * share;
        self.honey_kg -= taken;
        taken
    }
}

fn announce<T: Display + PartialOrd>(label: &str, amount: T, limit: T) -> String {
    let verdict = if amount > limit { "rich" } else { "poor" };
    format!("{}: {} ({})", label, amount, verdict)
}

fn main() {
    let mut apiary: HashMap<String, Hive> = HashMap::new();
    let queen = String::from("Beatrix");
    let mut first = Hive { queen: queen.clone(), frames: 10, honey_kg: 18.5 };
    let before = first.clone();
    let jar = first.extract(0.4);
    println!("{}", announce("jar", jar, 5.0));
    println!("changed: {}", before != first);
    apiary.insert(queen, first);
    let total: u32 = apiary.values().map(|hive| hive.frames).sum();
    println!("{} frames, {:?}", total, apiary.get("Beatrix").unwrap().queen);
}
