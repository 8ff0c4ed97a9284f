use std::cmp::Ordering;
use std::fmt::{self, Display};

#[derive(Clone, Debug, PartialEq, PartialOrd)]
struct Jar<'o> {
    pennies: u32,
    owner: &'o str,
}

impl<'o> Display for Jar<'o> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} has {}.{:02}", self.owner, self.pennies / 100, self.pennies % 100)
    }
}

fn richer<'j, T: PartialOrd + Display>(one: &'j T, two: &'j T, title: &str) -> &'j T {
    let winner = match one.partial_cmp(two) {
        Some(Ordering::Less) => two,
        _ => one,
    };
    println!("{}: {}", title, winner);
    winner
}

fn main() {
    let name = String::from("Odile");
    let mut jar = Jar { pennies: 725, owner: &name };
    let spring = jar.clone();
    jar.pennies += 1274;
    let best = richer(&jar, &spring, "richest");
    println!("{:?} {}", best, best == &spring);
}
