use std::mem;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Eco,
    Comfort,
}

impl TryFrom<&str> for Mode {
    type Error = String;

    fn try_from(word: &str) -> Result<Mode, String> {
        match word {
            "eco" => Ok(Mode::Eco),
            "comfort" => Ok(Mode::Comfort),
            other => Err(format!("unknown mode {other:?}")),
        }
    }
}

trait Heating {
    fn set(&mut self, room: usize, word: &str) -> Result<Mode, String>;
}

impl Heating for [Mode; 3] {
    fn set(&mut self, room: usize, word: &str) -> Result<Mode, String> {
        let mode = Mode::try_from(word)?;
        let slot = self.get_mut(room).ok_or("no such room")?;
        Ok(mem::replace(slot, mode))
    }
}

fn main() {
    let mut rooms = [Mode::Eco; 3];
    let previous = rooms.set(1, "comfort").unwrap();
    let warmest = rooms.iter().max().expect("no rooms");
    println!("{previous:?} -> {warmest:?}");
    println!("{:?}", rooms.set(7, "eco"));
}
