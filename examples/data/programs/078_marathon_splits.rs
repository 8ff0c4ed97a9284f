use std::num::ParseIntError;

#[derive(Clone, PartialEq)]
struct Split<'r> {
    runner: &'r str,
    seconds: u32,
}

trait Pace {
    fn per_km(&self, metres: u32) -> f64;
}

impl<'r> Pace for Split<'r> {
    fn per_km(&self, metres: u32) -> f64 {
        f64::from(self.seconds) * 1000.0 / f64::from(metres)
    }
}

fn read_split<'r>(runner: &'r str, text: &str) -> Result<Split<'r>, ParseIntError> {
    let (minutes, rest) = match text.split_once(':') {
        Some(pair) => pair,
        None => (text, "0"),
    };
    let seconds = minutes.parse::<u32>()? * 60 + rest.parse::<u32>()?;
    Ok(Split { runner, seconds })
}

fn main() -> Result<(), ParseIntError> {
    let name = "Tirunesh".to_string();
    let early = read_split(&name, "17:31")?;
    let mut splits = vec![early.clone()];
    splits.push(read_split(&name, "16")?);
    let fastest = splits.iter().map(|split| split.per_km(5000)).fold(f64::MAX, f64::min);
    println!("{} {:.1} {:?}", splits[1].runner, fastest, splits.contains(&early));
    Ok(())
}
