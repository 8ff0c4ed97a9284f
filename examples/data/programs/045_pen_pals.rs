use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PenPal<'c> {
    name: &'c str,
    city: &'c str,
}

fn group_by<'v, T, K: Hash + Eq>(items: &'v [T], key: impl Fn(&T) -> K) -> HashMap<K, Vec<&'v T>> {
    let mut groups: HashMap<K, Vec<&'v T>> = HashMap::new();
    items
        .iter()
        .for_each(|item| groups.entry(key(item)).or_default().push(item));
    groups
}

fn parse<'c>(line: &'c str) -> Result<PenPal<'c>, String> {
    let (name, city) = line
        .split_once(" from ")
        .ok_or(format!("odd line: {line}"))?;
    Ok(PenPal { name, city })
}

fn announce<W: Debug>(title: &str, who: &W) {
    println!("{title:-^20} {who:?}");
}

fn main() -> Result<(), String> {
    let letters = String::from("Ada from Oslo\nKofi from Accra\nLiv from Oslo");
    let pals = letters.lines().map(parse).collect::<Result<Vec<_>, _>>()?;
    let by_city = group_by(&pals, |pal| pal.city);
    let mut inboxes: HashMap<PenPal, u32> = HashMap::new();
    inboxes.insert(by_city["Oslo"][1].clone(), 3);
    announce("Accra", &by_city.get("Accra").unwrap());
    announce("Liv", &inboxes.get(&pals[2]));
    Ok(())
}
