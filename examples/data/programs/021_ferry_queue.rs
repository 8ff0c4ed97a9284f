use std::collections::VecDeque;

#[derive(Debug, Clone, PartialEq)]
enum Vehicle {
    Bicycle,
    Car { length: f32 },
    Truck(f32),
}

trait DeckSpace {
    fn metres(&self, margin: f32) -> f32;
}

impl DeckSpace for Vehicle {
    fn metres(&self, margin: f32) -> f32 {
        match self {
            Vehicle::Bicycle => 0.5,
            Vehicle::Car { length } => length + margin,
            Vehicle::Truck(length) => length + 2.0 * margin,
        }
    }
}

fn board<V: DeckSpace + Clone>(lane: &mut VecDeque<V>, deck: f32) -> Vec<V> {
    let (mut loaded, mut free) = (Vec::new(), deck);
    while let Some(front) = lane.front().cloned() {
        free -= front.metres(0.4);
        if free < 0.0 {
            break;
        }
        loaded.extend(lane.pop_front());
    }
    loaded
}

fn main() {
    let mut lane = VecDeque::from(vec![Vehicle::Truck(9.5), Vehicle::Bicycle]);
    lane.push_back(Vehicle::Car { length: 4.1 });
    println!("{:?}, waiting: {:?}", board(&mut lane, 13.0), lane);
}
