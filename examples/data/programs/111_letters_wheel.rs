use std::collections::BTreeSet;

struct Wheel {
    centre: char,
    rim: Vec<char>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Guess<'g> {
    points: usize,
    word: &'g str,
}

trait Judge {
    fn accepts(&self, word: &str) -> bool;
}

impl Judge for Wheel {
    fn accepts(&self, word: &str) -> bool {
        word.contains(self.centre)
            && word.chars().all(|c| c == self.centre || self.rim.contains(&c))
    }
}

fn judge_all<'g, J: Judge>(judge: &J, guesses: &'g str, least: usize) -> BTreeSet<Guess<'g>> {
    let words = guesses.split(' ').filter(|word| word.len() >= least && judge.accepts(word));
    words.map(|word| Guess { points: word.len() - 2, word }).collect()
}

fn main() {
    let mut wheel = Wheel { centre: 'r', rim: vec!['t', 'a', 'i'] };
    wheel.rim.push('n');
    let guesses = String::from("train rat tin art");
    let accepted = judge_all(&wheel, &guesses, 3);
    let best = accepted.last().unwrap();
    println!("{} {} {:?}", best.word, best.points, accepted.contains(best));
}
