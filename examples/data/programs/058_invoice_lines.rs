use std::num::ParseFloatError;

trait Taxable {
    fn with_tax(&self, rate: f64) -> f64;
}

#[derive(Debug, Clone, PartialEq, PartialOrd)]
struct Item<'i>(&'i str, f64);

impl Taxable for Item<'_> {
    fn with_tax(&self, rate: f64) -> f64 {
        self.1 * (1.0 + rate / 100.0)
    }
}

fn read_items<'i>(sheet: &'i str, skipped: &mut usize) -> Result<Vec<Item<'i>>, ParseFloatError> {
    let mut items = Vec::new();
    for row in sheet.lines() {
        match row.rsplit_once(' ') {
            Some((name, net)) => items.push(Item(name, net.parse()?)),
            None => *skipped += 1,
        }
    }
    Ok(items)
}

fn total<T: Taxable>(items: &[T], rate: f64) -> f64 {
    items.iter().map(|item| item.with_tax(rate)).sum()
}

fn main() -> Result<(), ParseFloatError> {
    let sheet = "desk lamp 39.50\n---\nink 8";
    let mut skipped = 0;
    let items = read_items(sheet, &mut skipped)?;
    println!("{:.2} gross, {skipped} skipped", total(&items, 19.0));
    let (lamp, ink) = (items[0].clone(), &items[1]);
    println!("{} sorts first: {}", lamp.0, lamp < *ink);
    Ok(())
}
