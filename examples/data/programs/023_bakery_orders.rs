use std::collections::BTreeMap;
use std::fmt::Display;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Pastry {
    Croissant,
    Custom(String),
}

#[derive(Default)]
struct OrderBook {
    pending: BTreeMap<Pastry, u16>,
}

impl OrderBook {
    fn add(&mut self, pastry: Pastry, pieces: u16) -> u16 {
        let slot = self.pending.entry(pastry).or_insert(0);
        *slot += pieces;
        *slot
    }
}

fn price(pastry: &Pastry, pieces: &u16) -> u16 {
    match pastry {
        Pastry::Croissant => 140 * pieces,
        Pastry::Custom(name) => 50 * name.len() as u16,
    }
}

fn stamp<L: Display, R: Display>(left: L, right: R) -> String {
    format!("[{left:>6} | {right}]")
}

fn main() {
    let mut orders = OrderBook::default();
    let cake = Pastry::Custom("lemon cake".to_string());
    let rolls = orders.add(Pastry::Croissant, 6) + orders.add(cake.clone(), 1);
    let cents: u16 = orders.pending.iter().map(|(p, n)| price(p, n)).sum();
    println!("{} {}", stamp(cents, "cents"), rolls + orders.add(cake, 2));
}
