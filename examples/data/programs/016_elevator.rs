use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Motion {
    Up,
    Down,
}

struct Elevator {
    motion: Motion,
    calls: BTreeSet<i8>,
}

impl Elevator {
    fn summon(&mut self, wanted: i8, lobby_key: bool) -> bool {
        (wanted >= 0 || lobby_key) && self.calls.insert(wanted)
    }

    fn step(&mut self) -> Option<i8> {
        let target = match self.motion {
            Motion::Up => self.calls.first().copied()?,
            Motion::Down => self.calls.last().copied()?,
        };
        self.calls.take(&target)
    }
}

fn main() {
    let motion = Motion::Up;
    let mut calls = BTreeSet::new();
    calls.extend([5, 1]);
    let mut lift = Elevator { motion, calls };
    let accepted = lift.summon(-1, false);
    while let Some(stop) = lift.step() {
        println!("{stop} {:?} {accepted}", lift.motion);
    }
    lift.motion = Motion::Down;
    println!("{:?} {}", lift.step(), lift.motion == Motion::Up);
}
