use std::collections::HashMap;
use std::fmt::Display;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Slot {
    Snack(char),
    Drink { cold: bool },
}

trait Vend<K> {
    fn dispense(&mut self, slot: &K, paid: u32) -> Result<u32, String>;
}

impl Vend<Slot> for HashMap<Slot, u32> {
    fn dispense(&mut self, slot: &Slot, paid: u32) -> Result<u32, String> {
        let price = match slot {
            Slot::Snack(row) => *row as u32,
            Slot::Drink { cold } => 150 + u32::from(*cold) * 20,
        };
        let left = self.get_mut(slot).ok_or("empty slot")?;
        *left = left.checked_sub(1).ok_or("sold out")?;
        paid.checked_sub(price).ok_or(format!("costs {price}"))
    }
}

fn screen<M: Display>(message: M, width: usize) -> String {
    format!("|{message:^width$}|")
}

fn main() -> Result<(), String> {
    let cola = Slot::Drink { cold: true };
    let mut machine = HashMap::new();
    machine.insert(cola.clone(), 1);
    machine.insert(Slot::Snack('B'), 4);
    let mut change = machine.dispense(&cola, 200)?;
    change += machine.dispense(&Slot::Snack('B'), 70)?;
    let problem = machine.dispense(&cola, 200).unwrap_err();
    println!("{} {}", screen(problem, 15), screen(change, 6));
    Ok(())
}
