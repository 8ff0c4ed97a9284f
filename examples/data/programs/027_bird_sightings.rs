use std::collections::{BTreeMap, HashMap};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Species<'l> {
    family: &'l str,
    latin: &'l str,
}

impl<'l> Species<'l> {
    fn from_label(label: &'l str) -> Option<Species<'l>> {
        let mut parts = label.splitn(2, '/');
        let (family, latin) = (parts.next()?, parts.next()?);
        Some(Species { family, latin })
    }
}

fn rank<'l>(counts: &HashMap<Species<'l>, u32>, least: u32) -> BTreeMap<Species<'l>, u32> {
    let frequent = counts.iter().filter(|(_, n)| **n >= least);
    frequent.map(|(bird, n)| (bird.clone(), *n)).collect()
}

fn main() {
    let notebook = String::from("owl/Bubo bubo;gull/Larus canus;owl/Bubo bubo;smudge");
    let mut counts = HashMap::new();
    let mut unreadable = 0;
    for label in notebook.split(';') {
        match Species::from_label(label) {
            Some(bird) => *counts.entry(bird).or_insert(0) += 1,
            None => unreadable += 1,
        }
    }
    for (bird, seen) in &rank(&counts, 2) {
        println!("{} ({}): {seen}", bird.latin, bird.family);
    }
    println!("{unreadable} unreadable");
}
