use std::cmp::Reverse;

trait Uplift {
    fn per_hour(&self) -> u32;
    fn title(&self) -> String;
}

#[derive(Debug, Clone)]
struct Chairlift {
    seats: u32,
    interval: u32,
    slope: String,
}

impl Uplift for Chairlift {
    fn per_hour(&self) -> u32 {
        3600 / self.interval * self.seats
    }

    fn title(&self) -> String {
        format!("{}-seater on {}", self.seats, self.slope)
    }
}

fn busiest<'l, L: Uplift>(lifts: &'l mut Vec<L>, closed: usize) -> Option<&'l L> {
    lifts.sort_by_key(|lift| Reverse(lift.per_hour()));
    lifts.get(closed)
}

fn main() {
    let quad = Chairlift { seats: 4, interval: 12, slope: String::from("Gletscher") };
    let mut double = quad.clone();
    double.seats = 2;
    let mut lifts = vec![double, quad.clone()];
    let best = busiest(&mut lifts, 0).unwrap();
    println!("{} {} {:?}", best.title(), best.per_hour(), quad);
}
