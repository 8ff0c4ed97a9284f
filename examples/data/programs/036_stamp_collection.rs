use std::collections::HashSet;
use std::hash::Hash;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Stamp<'a> {
    country: &'a str,
    year: u16,
}

struct Album<S> {
    slots: HashSet<S>,
    doubles: Vec<S>,
}

impl<S: Hash + Eq + Clone> Album<S> {
    fn glue(&mut self, stamp: S) -> bool {
        let fresh = self.slots.insert(stamp.clone());
        if !fresh {
            self.doubles.push(stamp);
        }
        fresh
    }
}

fn oldest<'a>(album: &Album<Stamp<'a>>, country: &str) -> Option<&'a str> {
    let matching = album.slots.iter().filter(|stamp| stamp.country != country);
    let found = matching.min_by_key(|stamp| stamp.year)?;
    Some(found.country)
}

fn main() {
    let (slots, doubles) = (HashSet::new(), Vec::new());
    let mut album = Album { slots, doubles };
    let catalogue = String::from("Malta Tonga Malta");
    for (country, year) in catalogue.split(' ').zip([1932, 1897, 1932]) {
        let stamp = Stamp { country, year };
        println!("new: {}", album.glue(stamp));
    }
    println!("{:?} {:?}", album.doubles, oldest(&album, "Malta").unwrap());
}
