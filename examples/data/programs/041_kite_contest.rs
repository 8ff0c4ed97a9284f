use std::fmt::Display;

#[derive(Debug, Clone, PartialEq, PartialOrd)]
struct Flight {
    seconds: f64,
    pilot: String,
}

trait Judged {
    fn marks(&self, style: u8) -> f64;
}

impl Judged for Flight {
    fn marks(&self, style: u8) -> f64 {
        self.seconds / 10.0 + f64::from(style)
    }
}

fn runner_up<'k, J: Judged>(field: &'k [J], styles: &[u8]) -> Option<&'k J> {
    let mut order: Vec<(&J, &u8)> = field.iter().zip(styles).collect();
    order.sort_by(|a, b| b.0.marks(*b.1).total_cmp(&a.0.marks(*a.1)));
    let (second, _) = order.get(1)?;
    Some(second)
}

fn banner<N: Display + Clone>(name: &N, copies: usize) -> String {
    let mut strips = vec![name.clone()];
    strips.resize(copies, name.clone());
    strips.iter().map(|strip| format!("<{strip}>")).collect()
}

fn main() {
    let mut field = Vec::new();
    for (pilot, seconds) in [("Wren", 61.0), ("Sol", 74.5), ("Hana", 40.0)] {
        let pilot = pilot.to_string();
        field.push(Flight { seconds, pilot });
    }
    let second = runner_up(&field, &[9, 6, 8]).expect("too few kites");
    println!("{} {}", banner(&second.pilot, 2), field[0] < *second);
}
