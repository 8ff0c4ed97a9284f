use std::cmp::Ordering;

#[derive(Debug, Clone)]
struct Star<'n> {
    name: &'n str,
    magnitude: f64,
    altitude: f64,
}

trait Observable {
    fn is_up(&self, horizon: f64) -> bool;
    fn brighter(&self, other: &Self) -> Ordering;
}

impl<'n> Observable for Star<'n> {
    fn is_up(&self, horizon: f64) -> bool {
        self.altitude > horizon
    }

    fn brighter(&self, other: &Self) -> Ordering {
        self.magnitude.partial_cmp(&other.magnitude).unwrap_or(Ordering::Equal)
    }
}

fn pick_target<'s, S: Observable>(sky: &'s [S], horizon: f64) -> Option<&'s S> {
    sky.iter().filter(|body| body.is_up(horizon)).min_by(|a, b| a.brighter(b))
}

fn main() {
    let catalogue = String::from("Vega,Deneb,Altair");
    let mut sky: Vec<Star> = Vec::new();
    for (i, name) in catalogue.split(',').enumerate() {
        let step = i as f64;
        sky.push(Star { name, magnitude: 0.1 + step, altitude: 12.0 + 20.0 * step });
    }
    let mut later = sky.clone();
    later[0].altitude = -4.0;
    let tonight = pick_target(&sky, 10.0).map(|star| star.name);
    println!("{:?} {:?}", tonight, pick_target(&later, 15.0).unwrap());
}
