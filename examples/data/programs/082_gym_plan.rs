use std::collections::BTreeMap;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Day {
    Monday,
    Thursday,
}

impl Day {
    fn factor(&self) -> f64 {
        match self {
            Day::Monday => 1.0,
            Day::Thursday => 1.05,
        }
    }
}

#[derive(Clone, Debug)]
struct Exercise<'e> {
    label: &'e str,
    kilos: f64,
}

fn heaviest<'e>(week: &BTreeMap<Day, Vec<Exercise<'e>>>, day: &Day) -> Option<&'e str> {
    let plan = week.get(day)?;
    let top = plan.iter().max_by(|a, b| a.kilos.total_cmp(&b.kilos))?;
    Some(top.label)
}

fn main() {
    let mut squat = Exercise { label: "squat", kilos: 80.0 };
    let mut week = BTreeMap::from([(Day::Monday, vec![squat.clone()])]);
    squat.kilos *= Day::Thursday.factor();
    week.entry(Day::Thursday).or_default().push(squat);
    println!("{:?} {:?}", heaviest(&week, &Day::Thursday).unwrap(), week[&Day::Monday]);
}
