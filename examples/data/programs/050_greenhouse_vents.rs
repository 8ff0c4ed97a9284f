use std::cmp::Ordering;
use std::collections::HashMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Vent {
    Roof,
    Side,
}

trait Climate {
    fn adjust(&mut self, vent: Vent, percent: i32) -> i32;
}

impl Climate for HashMap<Vent, i32> {
    fn adjust(&mut self, vent: Vent, percent: i32) -> i32 {
        let opening = self.entry(vent).or_insert(50);
        *opening = (*opening + percent).clamp(0, 100);
        *opening
    }
}

fn regulate<C: Climate, T: PartialOrd>(house: &mut C, actual: T, goal: &T) -> Option<i32> {
    let change = match actual.partial_cmp(goal)? {
        Ordering::Less => -20,
        Ordering::Equal => 0,
        Ordering::Greater => 35,
    };
    Some(house.adjust(Vent::Roof, change) + house.adjust(Vent::Side, change / 5))
}

fn main() {
    let mut house = HashMap::new();
    for reading in [27.5, 21.0, 18.25, f64::NAN] {
        let opening = regulate(&mut house, reading, &21.0);
        let text = opening.map(|sum| sum.to_string());
        println!("{reading}: {}", text.unwrap_or_default());
    }
    println!("{:?}", house.get(&Vent::Side).unwrap());
}
