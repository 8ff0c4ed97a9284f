use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Short,
    Long,
}

fn tally<K, I>(items: I, at_least: usize) -> HashMap<K, usize>
where
    K: Eq + Hash,
    I: IntoIterator<Item = K>,
{
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts.retain(|_, count| *count >= at_least);
    counts
}

fn longest_word<'a>(left: &'a str, right: &'a str) -> &'a str {
    let words = left.split(' ').chain(right.split(' '));
    words.max_by_key(|word| word.len()).unwrap_or("")
}

fn main() {
    let verse = "row row row your boat gently down the stream";
    let mut refrain = String::from("merrily merrily life is but");
    refrain.push_str(" a dream");
    let kinds = verse
        .split(' ')
        .map(|w| if w.len() > 4 { Kind::Long } else { Kind::Short });
    let by_kind = tally(kinds, 1);
    let repeated = tally(verse.split(' '), 2);
    println!("{:?} {:?}", by_kind[&Kind::Short], by_kind.get(&Kind::Long));
    println!("{repeated:?} {}", longest_word(verse, &refrain));
}
