use std::fmt;
use std::num::ParseFloatError;

#[derive(Clone, PartialEq)]
struct Tide {
    hour: u8,
    height: f64,
}

impl fmt::Display for Tide {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{:02}h {:.1}m", self.hour, self.height)
    }
}

fn parse_row(hour: u8, column: &str) -> Result<Tide, ParseFloatError> {
    let height: f64 = column.trim().parse()?;
    Ok(Tide { hour, height })
}

fn highest<'t>(table: &'t [Tide], after: u8) -> Option<&'t Tide> {
    table
        .iter()
        .filter(|tide| tide.hour >= after)
        .max_by(|a, b| a.height.total_cmp(&b.height))
}

fn main() -> Result<(), ParseFloatError> {
    let mut table: Vec<Tide> = Vec::new();
    let columns = ["1.2", " 4.8", "0.9 ", "5.1"];
    for (index, column) in columns.iter().enumerate() {
        let row = parse_row(index as u8 * 6, column)?;
        table.push(row);
    }
    let mut surge = table.clone();
    surge.iter_mut().for_each(|tide| tide.height += 0.3);
    let peak = highest(&surge, 6).expect("no tide after six");
    println!("{} unchanged={}", peak, table.contains(peak));
    Ok(())
}
