use std::cmp::Reverse;
use std::collections::HashMap;

#[derive(Clone, Copy)]
enum Outcome {
    Win(u32),
    Draw,
}

struct Standings<'n> {
    scores: HashMap<&'n str, u32>,
}

impl<'n> Standings<'n> {
    fn report(&mut self, team: &'n str, outcome: Outcome) {
        let score = self.scores.entry(team).or_default();
        *score += match outcome {
            Outcome::Win(goals) if goals > 4 => 4,
            Outcome::Win(_) => 3,
            Outcome::Draw => 1,
        };
    }

    fn podium(&self, places: usize) -> Vec<(&'n str, u32)> {
        let mut table: Vec<_> = self.scores.iter().map(|(t, s)| (*t, *s)).collect();
        table.sort_by_key(|(team, score)| (Reverse(*score), team.len()));
        table.into_iter().take(places).collect()
    }
}

fn main() {
    let scores = HashMap::new();
    let mut standings = Standings { scores };
    let thrashing = Outcome::Win(6);
    standings.report("Lynx", thrashing);
    standings.report("Otters", Outcome::Draw);
    standings.report("Otters", thrashing);
    println!("{:?}", standings.podium(2));
}
