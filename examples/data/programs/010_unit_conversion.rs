use std::fmt::{Debug, Display};
use std::str::FromStr;

struct Miles(f64);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Kilometres {
    value: f64,
}

trait Convert<Target> {
    fn convert(&self, digits: i32) -> Target;
}

impl Convert<Kilometres> for Miles {
    fn convert(&self, digits: i32) -> Kilometres {
        let scale = 10f64.powi(digits);
        let value = (self.0 * 1.609344 * scale).round() / scale;
        Kilometres { value }
    }
}

fn read_number<N>(text: &str, fallback: N) -> N
where
    N: FromStr + Display,
{
    text.trim().parse().unwrap_or(fallback)
}

fn show_all<D: Debug>(items: &[D], title: &str) {
    let mut text = title.to_string();
    items.iter().for_each(|item| text += &format!(" {item:?}"));
    println!("{text}");
}

fn main() {
    let marathon = Miles(read_number(" 26.2 ", 0.0));
    let distance: Kilometres = marathon.convert(2);
    show_all(&[distance], "run");
}
