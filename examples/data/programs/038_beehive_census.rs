use std::collections::BTreeMap;
use std::ops::AddAssign;

#[derive(Debug, Clone, Default, PartialEq)]
struct Census {
    workers: u64,
    drones: u64,
}

impl AddAssign<&Census> for Census {
    fn add_assign(&mut self, other: &Census) {
        self.workers += other.workers;
        self.drones += other.drones;
    }
}

fn combine<'h, T: AddAssign<&'h T>>(parts: Vec<&'h T>, mut total: T) -> T {
    parts.into_iter().for_each(|part| total += part);
    total
}

fn observe(hives: &mut BTreeMap<char, Census>, hive: char, workers: u64) {
    let census = hives.entry(hive).or_default();
    census.workers = workers;
    census.drones = workers / 20;
}

fn main() {
    let mut hives = BTreeMap::new();
    observe(&mut hives, 'B', 31_000);
    observe(&mut hives, 'A', 24_500);
    let spring = hives.clone();
    observe(&mut hives, 'A', 26_000);
    let total = combine(hives.values().collect(), Census::default());
    println!("{total:?}, changed: {}", spring != hives);
}
