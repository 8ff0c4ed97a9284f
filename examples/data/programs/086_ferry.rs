use std::collections::VecDeque;

trait Boarding {
    fn length(&self) -> f32;
    fn toll(&self, peak: bool) -> u32;
}

#[derive(Clone, PartialEq)]
struct Lorry {
    plate: String,
    axles: u8,
}

impl Boarding for Lorry {
    fn length(&self) -> f32 {
        2.5 * f32::from(self.axles)
    }

    fn toll(&self, peak: bool) -> u32 {
        u32::from(self.axles) * if peak { 30 } else { 18 }
    }
}

fn board<B: Boarding>(lane: &mut VecDeque<B>, deck: f32) -> Vec<B> {
    let mut free = deck;
    let mut aboard = Vec::new();
    while lane.front().map_or(false, |next| next.length() <= free) {
        let vehicle = lane.pop_front().unwrap();
        free -= vehicle.length();
        aboard.push(vehicle);
    }
    aboard
}

fn main() {
    let lorry = Lorry { plate: "KX-81".to_string(), axles: 4 };
    let mut lane = VecDeque::from([lorry.clone(), lorry.clone()]);
    let aboard = board(&mut lane, 15.0);
    println!("{} {} {}", aboard[0].plate, lorry.toll(true), aboard.contains(&lorry));
}
