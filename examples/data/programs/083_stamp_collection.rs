use std::collections::HashSet;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Stamp {
    country: String,
    year: u16,
}

trait Album {
    fn oldest<'s>(&'s self, country: &str) -> Option<&'s Stamp>;
}

impl Album for HashSet<Stamp> {
    fn oldest<'s>(&'s self, country: &str) -> Option<&'s Stamp> {
        self.iter().filter(|stamp| stamp.country == country).min_by_key(|stamp| stamp.year)
    }
}

fn appraise<A: Album>(album: &A, country: &str) -> String {
    match album.oldest(country) {
        Some(Stamp { year, .. }) if *year < 1850 => format!("{}: a treasure", country),
        Some(stamp) => format!("{}: common {:?}", country, stamp),
        None => "nothing".to_string(),
    }
}

fn main() {
    let basel = Stamp { country: String::from("CH"), year: 1845 };
    let mut album = HashSet::from([basel.clone()]);
    let again = album.insert(basel);
    println!("{} {} {}", again, appraise(&album, "CH"), appraise(&album, "UK"));
}
