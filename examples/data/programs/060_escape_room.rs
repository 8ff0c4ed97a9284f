use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Hint {
    Key { colour: String },
    Code(u16),
}

trait Lock {
    fn try_open(&mut self, clue: &Hint, seconds: u32) -> Option<u32>;
}

struct Safe {
    secret: u16,
    attempts: u32,
}

impl Lock for Safe {
    fn try_open(&mut self, clue: &Hint, seconds: u32) -> Option<u32> {
        self.attempts += 1;
        match clue {
            Hint::Code(code) if *code == self.secret => seconds.checked_sub(self.attempts),
            Hint::Code(_) | Hint::Key { .. } => None,
        }
    }
}

fn attempt_all<L: Lock>(lock: &mut L, clues: &BTreeSet<Hint>, seconds: u32) -> Option<(Hint, u32)> {
    let mut tried = clues.iter();
    tried.find_map(|clue| Some((clue.clone(), lock.try_open(clue, seconds)?)))
}

fn main() {
    let colour = "brass".to_string();
    let (secret, attempts) = (417, 0);
    let mut safe = Safe { secret, attempts };
    let clues = BTreeSet::from([Hint::Code(417), Hint::Key { colour }]);
    let (winner, left) = attempt_all(&mut safe, &clues, 90).expect("locked in");
    println!("{winner:?} with {left}s left, {}", clues.contains(&winner));
}
