use std::collections::HashSet;
use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    Across,
    Down,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Clue<'c> {
    number: u32,
    way: Direction,
    text: &'c str,
}

fn leading_number(input: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let digits = std::iter::from_fn(|| input.next_if(char::is_ascii_digit));
    digits.collect::<String>().parse().ok()
}

fn parse_clue<'c>(line: &'c str, seen: &mut HashSet<Clue<'c>>) -> Option<Clue<'c>> {
    let (head, text) = line.split_once(". ")?;
    let mut letters = head.chars().peekable();
    let number = leading_number(&mut letters)?;
    let way = match letters.next()? {
        'a' => Direction::Across,
        _ => Direction::Down,
    };
    let clue = Clue { number, way, text };
    seen.insert(clue.clone()).then_some(clue)
}

fn main() {
    let mut seen = HashSet::new();
    let clue = parse_clue("12a. Noble gas", &mut seen).expect("bad clue");
    println!("{} {:?} {}", clue.number, clue.way, clue.text);
}
