use std::fmt::{Display, Formatter};

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Fare {
    base: f64,
    per_km: f64,
}

trait Tariff {
    fn charge(&self, km: f64, night: bool) -> f64;
}

impl Tariff for Fare {
    fn charge(&self, km: f64, night: bool) -> f64 {
        let surcharge = if night { 1.25 } else { 1.0 };
        (self.base + self.per_km * km) * surcharge
    }
}

impl Display for Fare {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result<(), std::fmt::Error> {
        write!(f, "{:.2} + {:.2}/km", self.base, self.per_km)
    }
}

fn receipt<T: Tariff + Display>(tariff: &T, legs: &[(f64, bool)]) -> String {
    let mut text = tariff.to_string();
    for (index, (km, night)) in legs.iter().enumerate() {
        text += &format!("\n leg {index}: {:.1}", tariff.charge(*km, *night));
    }
    text
}

fn main() {
    let mut city = Fare::default();
    let free = city;
    city.per_km = 1.9;
    println!("{}", receipt(&city, &[(3.2, false), (7.0, true)]));
    println!("{}", city == free);
}
