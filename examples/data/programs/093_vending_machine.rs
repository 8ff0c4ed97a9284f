use std::collections::HashMap;

enum Event<'k> {
    Coin(u32),
    Press(&'k str),
}

#[derive(Clone, Default, PartialEq)]
struct Machine {
    credit: u32,
    sold: Vec<String>,
}

trait Automaton {
    fn step(&mut self, event: Event, prices: &HashMap<&str, u32>) -> Result<u32, String>;
}

impl Automaton for Machine {
    fn step(&mut self, event: Event, prices: &HashMap<&str, u32>) -> Result<u32, String> {
        match event {
            Event::Coin(value) => self.credit += value,
            Event::Press(slot) => {
                let price = prices.get(slot).ok_or("no such slot")?;
                self.credit = self.credit.checked_sub(*price).ok_or("too little")?;
                self.sold.push(slot.to_string());
            }
        }
        Ok(self.credit)
    }
}

fn main() -> Result<(), String> {
    let prices = HashMap::from([("crisps", 130)]);
    let mut machine = Machine::default();
    machine.step(Event::Coin(200), &prices)?;
    let change = machine.step(Event::Press("crisps"), &prices)?;
    let refused = machine.clone().step(Event::Press("gum"), &prices).unwrap_err();
    println!("{} {} {}", change, refused, machine == Machine::default());
    Ok(())
}
