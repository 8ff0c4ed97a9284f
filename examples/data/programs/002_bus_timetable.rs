use std::collections::BTreeMap;
use std::num::ParseIntError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Departure {
    hour: u32,
    minute: u32,
}

impl Departure {
    fn from_text(raw: &str) -> Result<Departure, ParseIntError> {
        let (left, right) = raw.split_once(':').unwrap_or((raw, "0"));
        let (hour, minute) = (left.parse()?, right.parse::<u32>()?);
        Ok(Departure { hour, minute })
    }

    fn minutes_until(&self, other: &Departure) -> u32 {
        (other.hour * 60 + other.minute) - (self.hour * 60 + self.minute)
    }
}

fn next_line<'t>(table: &'t BTreeMap<Departure, String>, now: &Departure) -> Option<&'t str> {
    let mut upcoming = table.range(*now..);
    upcoming.next().map(|(_, line)| line.as_str())
}

fn main() -> Result<(), ParseIntError> {
    let mut table = BTreeMap::new();
    for (clock, line) in [("7:15", "Harbour"), ("8:05", "Airport")] {
        table.insert(Departure::from_text(clock)?, line.to_string());
    }
    let now = Departure::from_text("7:40")?;
    let (last, _) = table.last_key_value().unwrap();
    println!(
        "{:?} in {} min",
        next_line(&table, &now),
        now.minutes_until(last)
    );
    Ok(())
}
