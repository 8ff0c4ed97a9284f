use std::collections::VecDeque;
use std::ops::Add;

#[derive(Debug, Clone)]
struct Window<T> {
    recent: VecDeque<T>,
    size: usize,
}

trait Feed<T> {
    fn feed(&mut self, sample: T) -> Option<T>;
}

impl<T: Add<Output = T> + Copy> Feed<T> for Window<T> {
    fn feed(&mut self, sample: T) -> Option<T> {
        self.recent.push_back(sample);
        match self.recent.len() > self.size {
            true => self.recent.pop_front()?,
            false => return None,
        };
        self.recent.iter().copied().reduce(|sum, item| sum + item)
    }
}

fn main() {
    let steps = vec![6200.0, 8100.0, 7400.0, 9900.0];
    let mut window = Window {
        recent: VecDeque::new(),
        size: 2,
    };
    let totals = steps.iter().filter_map(|day| window.feed(*day));
    let averages: Vec<f64> = totals.map(|total| total / 2.0).collect();
    let mut forecast = window.clone();
    let guess = forecast.feed(10_000.0).unwrap();
    println!("{:?} {:.0} {:?}", averages, guess, window);
}
