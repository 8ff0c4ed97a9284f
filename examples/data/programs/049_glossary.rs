use std::collections::BTreeMap;
use std::ops::Index;

#[derive(Debug, Clone, Default, PartialEq)]
struct Glossary<'g> {
    terms: BTreeMap<&'g str, Vec<&'g str>>,
}

impl<'g> Index<&str> for Glossary<'g> {
    type Output = Vec<&'g str>;

    fn index(&self, term: &str) -> &Self::Output {
        self.terms.get(term).expect("unknown term")
    }
}

impl<'g> Glossary<'g> {
    fn define(&mut self, term: &'g str, meaning: &'g str) -> &mut Self {
        self.terms.entry(term).or_default().push(meaning);
        self
    }
}

fn shortest<'s, I: Iterator<Item = &'s str>>(words: I, fallback: &'s str) -> &'s str {
    words.min_by_key(|word| word.len()).unwrap_or(fallback)
}

fn main() {
    let source = "keel=bottom beam;keel=spine;luff=front edge".to_string();
    let mut glossary = Glossary::default();
    let empty = glossary.clone();
    for (term, meaning) in source.split(';').filter_map(|entry| entry.split_once('=')) {
        glossary.define(term, meaning);
    }
    let mut meanings = glossary["keel"].clone();
    meanings.push("backbone");
    println!("{}", shortest(meanings.into_iter(), "?"));
    println!("{} {}", glossary["luff"].len(), glossary == empty);
}
