use std::collections::HashMap;
use std::hash::Hash;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Dough {
    Rye,
    Brioche,
}

struct Batch {
    dough: Dough,
    loaves: u32,
    baker: String,
}

fn tally<K: Hash + Eq>(pairs: Vec<(K, u32)>) -> HashMap<K, u32> {
    let mut counts = HashMap::new();
    pairs.into_iter().for_each(|(key, amount)| *counts.entry(key).or_insert(0) += amount);
    counts
}

impl Dough {
    fn proof(&self, cold: u32) -> u32 {
        match self {
            Dough::Rye => 90 + cold,
            Dough::Brioche => 150 + 2 * cold,
        }
    }
}

fn main() {
    let baker = "Ines".to_string();
    let mut oven = vec![Batch { dough: Dough::Rye, loaves: 12, baker: baker.clone() }];
    oven.push(Batch { dough: Dough::Brioche, loaves: 8, baker });
    let counts = tally(oven.iter().map(|batch| (batch.dough, batch.loaves)).collect());
    let rye = counts.get(&Dough::Rye).unwrap();
    println!("{} {} {:?}", oven[0].baker, rye, oven[1].dough.proof(15));
}
