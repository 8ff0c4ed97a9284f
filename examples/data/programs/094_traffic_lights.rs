use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
enum Light {
    Red,
    Green,
}

trait Cycle {
    fn advance(&mut self, rush: bool) -> Duration;
}

#[derive(Debug, Clone)]
struct Junction {
    light: Light,
    road: String,
}

impl Cycle for Junction {
    fn advance(&mut self, rush: bool) -> Duration {
        let (next, seconds) = match self.light {
            Light::Red => (Light::Green, 25),
            Light::Green => (Light::Red, if rush { 40 } else { 20 }),
        };
        self.light = next;
        Duration::from_secs(seconds)
    }
}

fn simulate<C: Cycle + Clone>(crossing: &C, steps: usize, rush: bool) -> (C, Duration) {
    let mut model = crossing.clone();
    let clock = (0..steps).map(|_| model.advance(rush)).sum();
    (model, clock)
}

fn main() {
    let corner = Junction { light: Light::Red, road: "High St".to_string() };
    let (after, clock) = simulate(&corner, 3, true);
    println!("{:?} {:?} {} {}", after, clock, corner.road, after.light == corner.light);
}
