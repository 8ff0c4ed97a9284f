use std::collections::HashMap;

struct Basket<'b> {
    owner: &'b str,
    goods: HashMap<&'b str, u32>,
}

impl<'b> Basket<'b> {
    fn read(owner: &'b str, line: &'b str) -> Option<Basket<'b>> {
        let mut goods = HashMap::new();
        for part in line.split(',') {
            let (name, amount) = part.trim().split_once('=')?;
            goods.insert(name, amount.parse().ok()?);
        }
        Some(Basket { owner, goods })
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    name: String,
    delta: i64,
}

fn diff(old: &Basket, new: &Basket, changes: &mut Vec<Change>) {
    for (name, amount) in &new.goods {
        let before = old.goods.get(name).copied().unwrap_or(0);
        let delta = i64::from(*amount) - i64::from(before);
        changes.push(Change { name: name.to_string(), delta });
    }
    changes.retain(|change| change.delta != 0);
}

fn main() {
    let monday = Basket::read("Lena", "eggs=6, flour=1").unwrap();
    let friday = Basket::read("Lena", "eggs=12, flour=1, yeast=2").unwrap();
    let mut changes = Vec::new();
    diff(&monday, &friday, &mut changes);
    println!("{} {:?}", friday.owner, changes.iter().min());
}
