use std::error::Error;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, PartialOrd)]
struct Tide {
    height: f64,
    port: String,
}

impl FromStr for Tide {
    type Err = Box<dyn Error>;

    fn from_str(row: &str) -> Result<Self, Self::Err> {
        let (port, metres) = row.split_once(',').ok_or("missing comma")?;
        let height = metres.trim().parse::<f64>()?;
        let port = port.to_string();
        Ok(Tide { height, port })
    }
}

fn taller<'t, T: PartialOrd>(items: &'t [T], start: &'t T) -> &'t T {
    let taller = |item: &&'t T| *item > start;
    items.iter().find(taller).unwrap_or(start)
}

fn load(rows: &str, sink: &mut Vec<Tide>) -> Result<usize, Box<dyn Error>> {
    for row in rows.lines() {
        sink.push(row.parse()?);
    }
    Ok(sink.len())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut tides = Vec::new();
    let loaded = load("Brest, 6.9\nCadiz, 3.1\nSaint-Malo, 12.2", &mut tides)?;
    let mut spare = tides[1].clone();
    spare.height += 1.0;
    println!("{loaded} ports, taller {:?}", taller(&tides, &spare));
    Ok(())
}
