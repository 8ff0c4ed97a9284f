use std::collections::BTreeMap;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Opening<'b> {
    eco: &'b str,
    moves: Vec<&'b str>,
}

fn parse<'b>(line: &'b str, sep: char) -> Option<Opening<'b>> {
    let (eco, rest) = line.split_once(sep)?;
    let moves = rest.split_whitespace().collect();
    Some(Opening { eco, moves })
}

impl<'b> Opening<'b> {
    fn reply(&self, played: &[&'b str], fallback: &'b str) -> &'b str {
        match self.moves.strip_prefix(played) {
            Some(left) => left.first().unwrap_or(&fallback),
            None => fallback,
        }
    }
}

fn main() {
    let lines = String::from("C50: e4 e5 Nf3 Nc6 Bc4\nC60: e4 e5 Nf3 Nc6 Bb5");
    let mut book: BTreeMap<Opening, u32> = BTreeMap::new();
    for (index, line) in lines.lines().enumerate() {
        let opening = parse(line, ':').unwrap();
        book.insert(opening, 12 + index as u32);
    }
    let best = book.iter().max_by_key(|(_, games)| **games).map(|(o, _)| o);
    let spanish = best.expect("empty book");
    println!(
        "{} {:?} {}",
        spanish.eco,
        spanish.reply(&["e4"], "resign"),
        book[spanish]
    );
}
