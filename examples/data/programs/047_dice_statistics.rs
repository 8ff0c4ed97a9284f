use std::collections::BTreeMap;

trait Roller {
    fn roll(&mut self, sides: u64) -> u64;
}

#[derive(Debug, Clone, PartialEq)]
struct Lehmer {
    state: u64,
}

impl Roller for Lehmer {
    fn roll(&mut self, sides: u64) -> u64 {
        self.state = self.state * 48_271 % 2_147_483_647;
        self.state % sides + 1
    }
}

fn histogram<R: Roller>(dice: &mut R, throws: usize, sides: u64) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..throws {
        *counts.entry(dice.roll(sides)).or_insert(0) += 1;
    }
    counts
}

fn main() {
    let mut dice = Lehmer { state: 2024 };
    let replay = dice.clone();
    let counts = histogram(&mut dice, 60, 6);
    let (face, hits) = counts.iter().max_by_key(|(_, n)| **n).unwrap();
    let title = match replay == dice {
        true => "unused dice".to_string(),
        false => String::from("after the game"),
    };
    println!("{title}: {face} came up {hits} times");
}
