use std::fmt::{Display, Formatter, Result};
use std::iter::repeat;

#[derive(Clone)]
enum Flash {
    Short,
    Long,
    Dark,
}

impl Display for Flash {
    fn fmt(&self, sink: &mut Formatter) -> Result {
        let mark = match self {
            Flash::Short => "*",
            Flash::Long => "***",
            Flash::Dark => ".",
        };
        write!(sink, "{}", mark)
    }
}

struct Lamp<'p> {
    headland: &'p str,
    pattern: &'p [Flash],
}

impl<'p> Lamp<'p> {
    fn shine(&self, cycles: usize, gap: char) -> String {
        let round: String = self.pattern.iter().map(|flash| flash.to_string()).collect();
        repeat(round).take(cycles).collect::<Vec<_>>().join(&gap.to_string())
    }
}

fn main() {
    let mut pattern = vec![Flash::Short; 2];
    pattern.extend_from_slice(&[Flash::Dark, Flash::Long]);
    let lamp = Lamp { headland: "Skerry", pattern: &pattern };
    let night = lamp.shine(2, '|');
    println!("{} {}", lamp.headland, night);
}
