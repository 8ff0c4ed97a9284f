use std::collections::VecDeque;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fabric {
    Cotton { degrees: u8 },
    Wool,
}

struct Washer {
    drum: Vec<Fabric>,
    room: usize,
}

trait Machine {
    fn load(&mut self, basket: &mut VecDeque<Fabric>) -> Option<usize>;
    fn program(&self) -> u8;
}

impl Machine for Washer {
    fn load(&mut self, basket: &mut VecDeque<Fabric>) -> Option<usize> {
        while self.drum.len() < self.room {
            self.drum.push(basket.pop_front()?);
        }
        Some(basket.len())
    }

    fn program(&self) -> u8 {
        match self.drum.iter().max().unwrap() {
            Fabric::Cotton { degrees } => *degrees,
            Fabric::Wool => 30,
        }
    }
}

fn main() {
    let shirt = Fabric::Cotton { degrees: 60 };
    let mut basket = VecDeque::from([shirt.clone(), Fabric::Wool, shirt]);
    let mut washer = Washer { drum: Vec::new(), room: 2 };
    println!("{:?} {} {:?}", washer.load(&mut basket), washer.program(), basket);
}
