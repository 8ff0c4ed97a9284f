use std::collections::BTreeMap;
use std::fmt::{self, Display};

#[derive(Clone, PartialEq)]
struct Exhibit {
    title: String,
    century: u8,
    fragile: bool,
}

impl Display for Exhibit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (c{})", self.title, self.century)
    }
}

trait Insured {
    fn premium(&self) -> u64;
}

impl Insured for Exhibit {
    fn premium(&self) -> u64 {
        let factor = if self.fragile { 3 } else { 1 };
        factor * (22 - self.century as u64) * 100
    }
}

fn placard<T: Display + Insured>(piece: &T, room: &str) -> String {
    format!("[{}] {} worth {}", room, piece, piece.premium())
}

fn main() {
    let mut rooms: BTreeMap<&str, Vec<Exhibit>> = BTreeMap::new();
    let amphora = Exhibit { title: "Amphora".into(), century: 4, fragile: true };
    rooms.entry("Greek").or_default().push(amphora.clone());
    let greek = rooms.get("Greek").expect("room exists");
    let cards: Vec<String> = greek.iter().map(|item| placard(item, "Greek")).collect();
    println!("{} {}", cards.join("; "), greek[0] == amphora);
}
