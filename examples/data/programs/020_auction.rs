use std::cmp::Ordering;
use std::fmt::Debug;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bid {
    bidder: String,
    euros: u32,
}

impl PartialOrd for Bid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.euros.cmp(&other.euros))
    }
}

fn strongest<'b, B: PartialOrd + Debug>(bids: &'b [B], caption: &str) -> Option<&'b B> {
    let mut best = bids.first()?;
    for bid in &bids[1..] {
        if bid > best {
            println!("{caption}: {bid:?} beats {best:?}");
            best = bid;
        }
    }
    Some(best)
}

fn raise(bids: &mut Vec<Bid>, bidder: &str, euros: u32) {
    let bidder = bidder.to_string();
    bids.push(Bid { bidder, euros });
}

fn main() {
    let mut bids = Vec::new();
    raise(&mut bids, "Paddle 7", 120);
    raise(&mut bids, "Paddle 3", 95);
    let early = bids.clone();
    raise(&mut bids, "Phone", 180);
    let winner = strongest(&bids, "lot 12").expect("no bids at all");
    println!("sold to {}; {}", winner.bidder, early.contains(winner));
}
