use std::collections::BTreeSet;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Across,
    Down,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Clue<'w> {
    number: u8,
    direction: Direction,
    answer: &'w str,
}

impl<'w> Clue<'w> {
    fn crossing(&self, other: &str) -> Option<(char, usize)> {
        let letter = self.answer.chars().find(|letter| other.contains(*letter))?;
        Some((letter, other.find(letter)?))
    }
}

fn longest_answer<'w>(clues: &BTreeSet<Clue<'w>>, fallback: &'w str) -> &'w str {
    clues.iter().map(|clue| clue.answer).max_by_key(|word| word.len()).unwrap_or(fallback)
}

fn main() {
    let text = String::from("anchor otter");
    let (first, second) = text.split_once(' ').unwrap();
    let mut clues = BTreeSet::new();
    let opener = Clue { number: 1, direction: Direction::Across, answer: first };
    clues.insert(opener.clone());
    clues.insert(Clue { number: 1, direction: Direction::Down, answer: second });
    let hit = opener.crossing(second);
    println!("{:?} {} {}", hit, longest_answer(&clues, "none"), clues.len());
}
