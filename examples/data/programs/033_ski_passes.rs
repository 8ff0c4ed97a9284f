use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq)]
enum Pass {
    Day(u16),
    Season { holder: String },
}

fn validate<'p>(gate: &'p HashMap<u32, Pass>, card: u32, today: u16) -> Result<&'p Pass, String> {
    let pass = gate.get(&card).ok_or(format!("card {card} unknown"))?;
    match pass {
        Pass::Day(day) if *day != today => Err(format!("valid on day {day} only")),
        Pass::Day(_) | Pass::Season { .. } => Ok(pass),
    }
}

trait Office {
    fn upgrade(&mut self, card: u32, holder: &str) -> Option<Pass>;
}

impl Office for HashMap<u32, Pass> {
    fn upgrade(&mut self, card: u32, holder: &str) -> Option<Pass> {
        let holder = holder.to_uppercase();
        self.insert(card, Pass::Season { holder })
    }
}

fn main() -> Result<(), String> {
    let mut gate = HashMap::from([(11, Pass::Day(3)), (12, Pass::Day(4))]);
    let bought = validate(&gate, 12, 4)?.clone();
    let replaced = gate.upgrade(12, "lindqvist");
    println!("{:?} replaced: {}", gate[&12], replaced == Some(bought));
    let mut refused = Vec::new();
    refused.extend((10..=12).filter_map(|card| validate(&gate, card, 9).err()));
    println!("{}", refused.join("; "));
    Ok(())
}
