use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq)]
enum Pulse {
    Dot,
    Dash,
}

trait Key {
    fn press(&mut self, pulse: Pulse);
}

#[derive(Default)]
struct Buzzer {
    millis: u32,
}

impl Key for Buzzer {
    fn press(&mut self, pulse: Pulse) {
        self.millis += match pulse {
            Pulse::Dot => 60,
            Pulse::Dash => 180,
        };
    }
}

fn transmit<K: Key>(table: &HashMap<char, Vec<Pulse>>, text: &str, key: &mut K) -> Option<usize> {
    for letter in text.chars() {
        table.get(&letter)?.iter().for_each(|pulse| key.press(*pulse));
    }
    Some(text.len())
}

fn main() {
    let table = HashMap::from([('s', vec![Pulse::Dot; 3]), ('o', vec![Pulse::Dash; 3])]);
    let mut buzzer = Buzzer::default();
    let sent = transmit(&table, "sos", &mut buzzer).expect("unknown letter");
    println!("{} {} {}", sent, buzzer.millis, table[&'s'].contains(&Pulse::Dash));
}
