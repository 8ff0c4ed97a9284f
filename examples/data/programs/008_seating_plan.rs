use std::collections::{BTreeMap, HashSet};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Guest {
    name: String,
    vegetarian: bool,
}

fn invite(name: &str, vegetarian: bool) -> Guest {
    let name = name.to_string();
    Guest { name, vegetarian }
}

fn arrange<F>(guests: &HashSet<Guest>, per_table: usize, order: F) -> BTreeMap<usize, Vec<Guest>>
where
    F: Fn(&Guest) -> String,
{
    let mut sorted: Vec<&Guest> = guests.iter().collect();
    sorted.sort_by_key(|guest| order(guest));
    let mut tables = BTreeMap::new();
    for (seat, guest) in sorted.into_iter().enumerate() {
        let table: &mut Vec<Guest> = tables.entry(seat / per_table).or_default();
        table.push(guest.clone());
    }
    tables
}

fn main() {
    let mut guests = HashSet::new();
    guests.insert(invite("Bruno", false));
    guests.insert(invite("Aiko", true));
    guests.insert(invite("Clara", true));
    let duplicate = !guests.insert(invite("Aiko", true));
    let plan = arrange(&guests, 2, |guest| guest.name.to_lowercase());
    let green = guests.iter().filter(|g| g.vegetarian).count();
    println!("{plan:?}, {green} vegetarian, duplicate: {duplicate}");
}
