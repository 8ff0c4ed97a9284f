use std::collections::BinaryHeap;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Bid {
    amount: u64,
    bidder: String,
}

struct Lot<'c> {
    caption: &'c str,
    reserve: u64,
    bids: BinaryHeap<Bid>,
}

impl<'c> Lot<'c> {
    fn offer(&mut self, bidder: &str, amount: u64) -> Result<(), String> {
        let highest = self.bids.peek().map(|bid| bid.amount).unwrap_or(0);
        if amount <= highest {
            return Err(format!("{} must beat {}", bidder, highest));
        }
        self.bids.push(Bid { amount, bidder: bidder.to_string() });
        Ok(())
    }

    fn hammer(&self) -> Option<Bid> {
        let top = self.bids.peek()?;
        (top.amount >= self.reserve).then(|| top.clone())
    }
}

fn main() -> Result<(), String> {
    let mut lot = Lot { caption: "brass sextant", reserve: 150, bids: BinaryHeap::new() };
    lot.offer("Quill", 120)?;
    let early = lot.hammer();
    lot.offer("Yusuf", 170)?;
    let sold = lot.hammer().expect("reserve not met");
    println!("{} {} {}", lot.caption, sold.bidder, early == Some(sold.clone()));
    Ok(())
}
