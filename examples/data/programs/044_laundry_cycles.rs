use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    Soak(Duration),
    Spin { rpm: u64 },
}

trait Timed {
    fn lasts(&self, load: u64) -> Duration;
}

impl Timed for Phase {
    fn lasts(&self, load: u64) -> Duration {
        match self {
            Phase::Soak(time) => *time,
            Phase::Spin { rpm } => Duration::from_secs(load * 60_000 / rpm),
        }
    }
}

fn run<T: Timed + Clone>(queue: &mut VecDeque<T>, load: u64) -> Option<(T, Duration)> {
    let first = queue.front()?.clone();
    let mut total = Duration::ZERO;
    while let Some(step) = queue.pop_front() {
        total += step.lasts(load);
    }
    Some((first, total))
}

fn main() {
    let soak = Phase::Soak(Duration::from_secs(900));
    let mut queue = VecDeque::from([soak.clone(), Phase::Spin { rpm: 1200 }]);
    let (first, total) = run(&mut queue, 5).expect("empty programme");
    println!("{} s, soaked first: {}", total.as_secs(), first == soak);
    println!("{:?}", run(&mut queue, 5));
}
