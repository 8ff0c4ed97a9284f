use std::collections::BTreeSet;
use std::fmt::Debug;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Gear {
    item: String,
    grams: u32,
}

trait Packable {
    fn weight(&self) -> u32;
}

impl Packable for Gear {
    fn weight(&self) -> u32 {
        self.grams
    }
}

fn pack<G: Packable + Ord + Debug>(rucksack: &mut BTreeSet<G>, things: Vec<G>, max: u32) -> u32 {
    let mut carried = 0;
    for thing in things {
        if carried + thing.weight() > max {
            println!("left behind {:?}", thing);
            continue;
        }
        carried += thing.weight();
        rucksack.insert(thing);
    }
    carried
}

fn main() {
    let tent = Gear { item: "tent".to_string(), grams: 2400 };
    let stove = Gear { item: "stove".to_string(), grams: 600 };
    let mut rucksack = BTreeSet::new();
    let carried = pack(&mut rucksack, vec![tent.clone(), stove], 2500);
    println!("{} {} {}", carried, rucksack.contains(&tent), rucksack.first().unwrap().item);
}
