use std::collections::HashMap;

trait Animal {
    fn species(&self) -> &str;
    fn appetite(&self) -> u32;
}

#[derive(Debug, Clone)]
struct Otter {
    name: String,
    pups: u32,
}

impl Animal for Otter {
    fn species(&self) -> &str {
        "otter"
    }
    fn appetite(&self) -> u32 {
        2 + self.pups
    }
}

fn fill<'z, A: Animal>(buckets: &mut HashMap<&'z str, u32>, beast: &'z A, days: u32) {
    *buckets.entry(beast.species()).or_insert(1) += beast.appetite() * days;
}

fn main() {
    let mother = Otter { name: "Tilly".to_string(), pups: 3 };
    let mut aunt = mother.clone();
    aunt.pups = 0;
    let mut buckets = HashMap::new();
    fill(&mut buckets, &mother, 7);
    fill(&mut buckets, &aunt, 2);
    println!("{} {:?} {}", mother.name, aunt, buckets.get("otter").unwrap());
}
