use std::collections::HashMap;

#[derive(Debug, Clone, Default, PartialEq)]
struct Score {
    votes: u32,
    stars: f64,
}

impl Score {
    fn vote(&mut self, stars: f64) {
        self.votes += 1;
        self.stars += (stars - self.stars) / f64::from(self.votes);
    }
}

fn best_by<'m, K>(films: &'m HashMap<String, Score>, key: K) -> Option<&'m str>
where
    K: Fn(&Score) -> f64,
{
    let mut ranked: Vec<_> = films.iter().collect();
    ranked.sort_by(|a, b| key(b.1).total_cmp(&key(a.1)));
    let (name, _) = ranked.first()?;
    Some(name.as_str())
}

fn main() {
    let ballots = [("Stalker", 4.5), ("Amelie", 4.0), ("Amelie", 5.0)];
    let mut films: HashMap<String, Score> = HashMap::new();
    for (name, stars) in ballots {
        films.entry(name.to_string()).or_default().vote(stars);
    }
    let amelie = films["Amelie"].clone();
    films.get_mut("Stalker").unwrap().vote(5.0);
    let popular = best_by(&films, |score| score.votes.into());
    let loved = best_by(&films, |score| score.stars).unwrap_or("none");
    println!("{popular:?} {loved} {amelie:?} {}", amelie == films[loved]);
}
