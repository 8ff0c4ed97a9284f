use std::ops::AddAssign;

#[derive(Clone, Copy, PartialEq)]
enum Leaf {
    Assam,
    Sencha,
}

#[derive(Clone, Default)]
struct Blend {
    leaves: Vec<Leaf>,
    grams: f32,
}

impl AddAssign<&Blend> for Blend {
    fn add_assign(&mut self, other: &Blend) {
        self.leaves.extend(other.leaves.iter());
        self.grams += other.grams;
    }
}

fn steep(blend: &Blend, strength: f32) -> Option<f32> {
    let seconds = match blend.leaves.first()? {
        Leaf::Assam => 240.0,
        Leaf::Sencha => 90.0,
    };
    Some(seconds * strength / blend.grams)
}

fn main() {
    let mut pot = Blend { leaves: vec![Leaf::Sencha], grams: 2.0 };
    let pinch = Blend { leaves: vec![Leaf::Assam], ..pot.clone() };
    pot += &pinch;
    println!("{:?} {:?}", steep(&pot, 1.5).unwrap(), steep(&Blend::default(), 1.0));
    println!("{}", pot.leaves.contains(&Leaf::Assam));
}
