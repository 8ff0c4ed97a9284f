use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
struct Roll {
    faces: Vec<u8>,
}

trait Thrower {
    fn throw(&mut self, sides: u8) -> u8;
}

struct Lcg {
    state: u32,
}

impl Thrower for Lcg {
    fn throw(&mut self, sides: u8) -> u8 {
        self.state = self.state.wrapping_mul(1664525).wrapping_add(1013904223);
        (self.state >> 24) as u8 % sides + 1
    }
}

fn cast<T: Thrower>(hand: &mut T, dice: usize, sides: u8) -> Roll {
    Roll { faces: (0..dice).map(|_| hand.throw(sides)).collect() }
}

fn main() {
    let mut hand = Lcg { state: 7 };
    let opening = cast(&mut hand, 5, 6);
    let mut kept = opening.clone();
    kept.faces.retain(|face| *face > 3);
    let mut pips: BTreeMap<u8, usize> = BTreeMap::new();
    opening.faces.iter().for_each(|face| *pips.entry(*face).or_insert(0) += 1);
    println!("{:?} {} {:?}", kept, kept == opening, pips.keys().max().unwrap());
}
