use std::fmt::Display;

#[derive(Debug, Clone, PartialEq)]
struct Ingredient {
    label: String,
    grams: f64,
}

impl Ingredient {
    fn measured(label: &str, grams: f64) -> Self {
        let label = label.to_owned();
        Self { label, grams }
    }

    fn multiply(&mut self, factor: f64) {
        self.grams *= factor;
    }
}

fn heavier<T: PartialOrd + Display>(first: T, second: T, unit: &str) -> String {
    let winner = if first > second { first } else { second };
    format!("{winner} {unit}")
}

fn main() {
    let original = vec![
        Ingredient::measured("flour", 500.0),
        Ingredient::measured("butter", 120.5),
    ];
    let mut scaled = original.clone();
    for item in scaled.iter_mut() {
        item.multiply(1.5);
    }
    let total: f64 = scaled.iter().map(|item| item.grams).sum();
    let names: Vec<&str> = original.iter().map(|item| item.label.as_str()).collect();
    println!("{} weigh {total}", names.join(" and "));
    println!("{}", heavier(scaled[0].grams, scaled[1].grams, "g"));
    assert_ne!(original, scaled);
}
