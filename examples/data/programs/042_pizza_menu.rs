use std::collections::BTreeSet;
use std::fmt::Debug;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Topping<'m> {
    Cheese,
    Special(&'m str),
}

trait Priced {
    fn cents(&self, size: u32) -> u32;
}

impl<'m> Priced for Topping<'m> {
    fn cents(&self, size: u32) -> u32 {
        match self {
            Topping::Cheese => 30 * size,
            Topping::Special(name) => name.len() as u32 * size,
        }
    }
}

fn pizza_cost<P: Priced + Debug>(base: u32, toppings: &BTreeSet<P>, size: u32) -> u32 {
    println!("with {toppings:?}");
    toppings
        .iter()
        .fold(base, |sum, extra| sum + extra.cents(size))
}

fn main() {
    let board = String::from("truffle anchovy");
    let mut toppings = BTreeSet::from([Topping::Cheese]);
    for word in board.split(' ') {
        toppings.insert(Topping::Special(word));
    }
    let plain = toppings.first().unwrap().clone();
    let full = pizza_cost(650, &toppings, 3);
    toppings.retain(|extra| *extra == plain);
    println!("{full} or {}", pizza_cost(650, &toppings, 3));
}
