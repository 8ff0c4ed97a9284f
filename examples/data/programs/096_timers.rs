use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    due: u64,
    label: String,
}

trait Listener {
    fn notify(&mut self, label: &str, now: u64);
}

#[derive(Default)]
struct Bell {
    rings: Vec<String>,
}

impl Listener for Bell {
    fn notify(&mut self, label: &str, now: u64) {
        self.rings.push(format!("{}s {}", now, label));
    }
}

fn tick<L: Listener>(heap: &mut BinaryHeap<Reverse<Timer>>, now: u64, listener: &mut L) {
    while heap.peek().map_or(false, |Reverse(timer)| timer.due <= now) {
        let Reverse(timer) = heap.pop().unwrap();
        listener.notify(&timer.label, now);
    }
}

fn main() {
    let egg = Timer { due: 300, label: "egg".to_string() };
    let toast = Timer { due: 120, label: "toast".to_string() };
    let mut heap = BinaryHeap::from([Reverse(egg.clone()), Reverse(toast)]);
    let mut bell = Bell::default();
    tick(&mut heap, 200, &mut bell);
    println!("{:?} {:?} {}", bell.rings, heap.peek(), egg.due);
}
