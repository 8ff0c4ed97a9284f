use std::collections::BinaryHeap;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Thirst {
    dryness: u8,
    species: String,
}

trait Garden {
    fn plant(&mut self, species: &str, dryness: u8);
    fn water_next(&mut self, litres: u8) -> Option<Thirst>;
}

impl Garden for BinaryHeap<Thirst> {
    fn plant(&mut self, species: &str, dryness: u8) {
        let species = String::from(species);
        self.push(Thirst { dryness, species });
    }

    fn water_next(&mut self, litres: u8) -> Option<Thirst> {
        let mut driest = self.pop()?;
        driest.dryness = driest.dryness.saturating_sub(litres);
        self.push(driest.clone());
        Some(driest)
    }
}

fn main() {
    let mut balcony = BinaryHeap::new();
    balcony.plant("basil", 7);
    balcony.plant("cactus", 1);
    balcony.plant("fern", 9);
    let watered: Vec<Thirst> = (0..3).filter_map(|_| balcony.water_next(4)).collect();
    let happiest = watered.iter().min().expect("garden is empty");
    println!("{} is fine, next up {:?}", happiest.species, balcony.peek());
}
