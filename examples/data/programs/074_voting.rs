use std::collections::HashMap;

#[derive(PartialEq, Eq, Hash, Clone)]
struct Candidate {
    name: String,
    party: String,
}

impl Candidate {
    fn standing(name: &str, party: &str) -> Self {
        Candidate { name: name.to_string(), party: party.to_string() }
    }
}

fn count_ballots(ballots: &[Candidate]) -> HashMap<&Candidate, usize> {
    let mut piles = HashMap::new();
    ballots.iter().for_each(|ballot| *piles.entry(ballot).or_insert(0) += 1);
    piles
}

fn winner<'b>(piles: &HashMap<&'b Candidate, usize>, quota: usize) -> Option<&'b Candidate> {
    match piles.iter().max_by_key(|(_, votes)| **votes) {
        Some((person, votes)) if *votes >= quota => Some(*person),
        _ => None,
    }
}

fn main() {
    let ada = Candidate::standing("Ada", "Maple");
    let bo = Candidate::standing("Bo", "Birch");
    let mut ballots = vec![ada.clone(), bo, ada.clone()];
    ballots.retain(|ballot| !ballot.party.is_empty());
    let piles = count_ballots(&ballots);
    let elected = winner(&piles, 2).expect("hung vote");
    println!("{} {:?} {}", elected.name, piles.get(&ada), elected == &ada);
}
