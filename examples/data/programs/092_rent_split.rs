use std::collections::BTreeMap;

#[derive(Clone)]
struct Flatmate<'n> {
    nickname: &'n str,
    room_area: i64,
}

trait Policy {
    fn share(&self, mate: &Flatmate, rent: i64, total_area: i64) -> Option<i64>;
}

enum Rule {
    ByArea,
    Flat { fee: i64 },
}

impl Policy for Rule {
    fn share(&self, mate: &Flatmate, rent: i64, total_area: i64) -> Option<i64> {
        match self {
            Rule::ByArea => (rent * mate.room_area).checked_div(total_area),
            Rule::Flat { fee } => Some(*fee),
        }
    }
}

fn split<'n>(flat: &[Flatmate<'n>], rule: &Rule, rent: i64) -> Option<BTreeMap<&'n str, i64>> {
    let area = flat.iter().map(|mate| mate.room_area).sum();
    flat.iter().map(|mate| Some((mate.nickname, rule.share(mate, rent, area)?))).collect()
}

fn main() {
    let jo = Flatmate { nickname: "Jo", room_area: 14 };
    let mut sam = jo.clone();
    sam.nickname = "Sam";
    let flat = [jo, sam];
    let shares = split(&flat, &Rule::ByArea, 90_000).unwrap();
    println!("{:?} {:?}", shares.get("Sam"), split(&flat, &Rule::Flat { fee: 5 }, 10));
}
