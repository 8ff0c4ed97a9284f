use std::fmt::Debug;
use std::iter::Sum;

#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Kilos(f32);

impl<'k> Sum<&'k Kilos> for Kilos {
    fn sum<I: Iterator<Item = &'k Kilos>>(iter: I) -> Kilos {
        Kilos(iter.map(|weight| weight.0).sum())
    }
}

#[derive(Debug, Clone)]
struct Backpack<G> {
    owner: String,
    gear: Vec<G>,
}

fn pack<G>(bag: &mut Backpack<G>, item: G, limit: &G) -> Result<G, String>
where
    G: Copy + Debug + PartialOrd + for<'k> Sum<&'k G>,
{
    bag.gear.push(item);
    let total = bag.gear.iter().sum::<G>();
    let overload = format!("{total:?} breaks {}", bag.owner);
    (total <= *limit).then_some(total).ok_or(overload)
}

fn main() -> Result<(), String> {
    let owner = "Sven".to_string();
    let gear = Vec::new();
    let mut bag = Backpack { owner, gear };
    let limit = Kilos(14.0);
    pack(&mut bag, Kilos(3.8), &limit)?;
    let mut heavier = bag.clone();
    let verdict = pack(&mut heavier, Kilos(11.5), &limit);
    println!("{verdict:?} {:?}", pack(&mut bag, Kilos(2.2), &limit)?);
    Ok(())
}
