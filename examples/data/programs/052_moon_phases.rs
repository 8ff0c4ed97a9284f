use std::fmt::Display;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moon {
    Waxing(u8),
    Full,
}

struct Almanac<'y> {
    title: &'y str,
    nights: Vec<Moon>,
}

impl<'y> Almanac<'y> {
    fn brightest(&self, skip: usize) -> Option<(&'y str, u8)> {
        let moon = self.nights.iter().skip(skip).max()?;
        let light = match moon {
            Moon::Waxing(percent) => *percent,
            Moon::Full => 100,
        };
        Some((self.title, light))
    }
}

fn between<V: PartialOrd + Display>(low: V, value: V, high: V) -> Result<V, String> {
    if value < low || value > high {
        return Err(format!("{value} outside {low}..{high}"));
    }
    Ok(value)
}

fn main() -> Result<(), String> {
    let percent = between(0, 35, 99)?;
    let (title, nights) = ("March", vec![Moon::Full, Moon::Waxing(percent)]);
    let mut almanac = Almanac { title, nights };
    let late = almanac.brightest(1).ok_or("no nights")?;
    almanac.nights.sort();
    Ok(println!("{late:?} {:?}", almanac.nights.last()))
}
