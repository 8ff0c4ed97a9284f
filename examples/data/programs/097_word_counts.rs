use std::cmp::Ordering;
use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq)]
struct Tally<'t> {
    word: &'t str,
    hits: usize,
}

impl<'t> Tally<'t> {
    fn ranks_before(&self, other: &Tally<'t>) -> Ordering {
        other.hits.cmp(&self.hits).then(self.word.cmp(other.word))
    }
}

fn frequencies<'t>(text: &'t str, shortest: usize) -> Vec<Tally<'t>> {
    let mut counts: HashMap<&'t str, usize> = HashMap::new();
    for word in text.split_whitespace().filter(|word| word.len() >= shortest) {
        *counts.entry(word).or_default() += 1;
    }
    let mut tallies: Vec<Tally> =
        counts.into_iter().map(|(word, hits)| Tally { word, hits }).collect();
    tallies.sort_by(|a, b| a.ranks_before(b));
    tallies
}

fn main() {
    let rhyme = String::from("the rain in spain stays mainly in the plain the end");
    let tallies = frequencies(&rhyme, 3);
    let mut podium = tallies.clone();
    podium.truncate(2);
    let top = tallies.first().unwrap();
    println!("{} x{} {:?} {}", top.word, top.hits, podium, podium == tallies);
}
