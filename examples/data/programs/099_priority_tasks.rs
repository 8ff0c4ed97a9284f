use std::collections::BinaryHeap;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Someday,
    Today,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Chore {
    urgency: Urgency,
    text: String,
}

trait Describe {
    fn describe(&self, width: usize) -> String;
}

impl Describe for Chore {
    fn describe(&self, width: usize) -> String {
        let flag = match self.urgency {
            Urgency::Someday => ' ',
            Urgency::Today => '!',
        };
        format!("{}{:>width$}", flag, self.text)
    }
}

fn drain_sorted<C: Ord + Describe>(heap: &mut BinaryHeap<C>, width: usize) -> Vec<String> {
    std::iter::from_fn(|| heap.pop()).map(|chore| chore.describe(width)).collect()
}

fn main() {
    let gutter = Chore { urgency: Urgency::Someday, text: "gutter".to_string() };
    let taxes = Chore { urgency: Urgency::Today, ..gutter.clone() };
    let mut heap = BinaryHeap::new();
    heap.extend([gutter.clone(), taxes]);
    println!("{:?} {}", drain_sorted(&mut heap, 9), heap.is_empty() && gutter.text.len() > 3);
}
