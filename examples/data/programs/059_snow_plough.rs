use std::collections::VecDeque;
use std::fmt::{self, Display};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Street<'c> {
    priority: u8,
    name: &'c str,
}

impl Display for Street<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.priority)
    }
}

fn urgent_first<S: Ord + Clone>(jobs: &VecDeque<S>, limit: usize) -> VecDeque<S> {
    let mut ordered = jobs.clone();
    ordered.make_contiguous().sort();
    ordered.truncate(limit);
    ordered
}

fn signpost<S: Display>(jobs: &VecDeque<S>, arrow: &str) -> String {
    let names: Vec<String> = jobs.iter().map(|job| job.to_string()).collect();
    names.join(arrow)
}

fn main() {
    let city = String::from("Elm Lane,Main Street,Dock Road");
    let mut jobs = VecDeque::new();
    for (name, priority) in city.split(',').zip([3, 1, 2]) {
        jobs.push_back(Street { priority, name });
    }
    let tonight = urgent_first(&jobs, 2);
    let skipped = jobs.iter().find(|job| !tonight.contains(job)).unwrap();
    println!("{} but not {skipped}", signpost(&tonight, " > "));
}
