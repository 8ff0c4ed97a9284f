use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Cloth {
    Calico,
    Velvet,
}

trait Sewable {
    fn area(&self) -> f32;
    fn cloth(&self) -> Cloth;
}

#[derive(Clone)]
struct Strip {
    width: f32,
    layers: u8,
}

impl Sewable for Strip {
    fn area(&self) -> f32 {
        self.width * 2.5 * f32::from(self.layers)
    }
    fn cloth(&self) -> Cloth {
        [Cloth::Calico, Cloth::Velvet][usize::from(self.layers > 1)]
    }
}

fn cost<P: Sewable>(prices: &HashMap<Cloth, f32>, patch: &P, copies: u32) -> Option<f32> {
    Some(prices.get(&patch.cloth())? * patch.area() * copies as f32)
}

fn main() {
    let mut prices = HashMap::new();
    prices.insert(Cloth::Calico, 0.5);
    let strip = Strip { width: 0.5, layers: 1 };
    let mut border = strip.clone();
    border.layers = 2;
    println!("{:?} {:?}", cost(&prices, &strip, 8), cost(&prices, &border, 1));
}
