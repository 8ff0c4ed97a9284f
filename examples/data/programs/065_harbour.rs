use std::collections::VecDeque;

#[derive(Debug, Clone)]
enum Vessel {
    Trawler { crew: u32 },
    Tanker { barrels: u32 },
}

trait Mooring {
    fn berth_fee(&self, nights: u32) -> u32;
}

impl Mooring for Vessel {
    fn berth_fee(&self, nights: u32) -> u32 {
        match self {
            Vessel::Trawler { crew } => nights * 40 + crew * 2,
            Vessel::Tanker { barrels } => nights * 300 + barrels / 50,
        }
    }
}

struct Quay {
    berths: Vec<Vessel>,
    limit: usize,
}

fn admit(queue: &mut VecDeque<Vessel>, quay: &mut Quay) -> Option<usize> {
    while quay.berths.len() < quay.limit {
        quay.berths.push(queue.pop_front()?);
    }
    Some(queue.len())
}

fn main() {
    let tanker = Vessel::Tanker { barrels: 900 };
    let mut queue = VecDeque::from(vec![Vessel::Trawler { crew: 6 }, tanker.clone()]);
    let mut quay = Quay { berths: Vec::new(), limit: 1 };
    let waiting = admit(&mut queue, &mut quay).expect("no ship");
    println!("{} {} {:?}", quay.berths[0].berth_fee(3), waiting, tanker);
}
