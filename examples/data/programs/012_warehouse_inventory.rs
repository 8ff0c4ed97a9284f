use std::collections::BTreeMap;

#[derive(Debug, PartialEq)]
enum StockError {
    Unknown(String),
    Short { missing: u32 },
}

#[derive(Debug, Default)]
struct Warehouse {
    pallets: BTreeMap<String, u32>,
}

impl Warehouse {
    fn receive(&mut self, sku: &str, units: u32) -> &mut Self {
        *self.pallets.entry(sku.to_string()).or_insert(0) += units;
        self
    }

    fn choose(&mut self, sku: &str, units: u32) -> Result<u32, StockError> {
        let unknown = || StockError::Unknown(sku.into());
        let held = self.pallets.get_mut(sku).ok_or_else(unknown)?;
        let missing = units.saturating_sub(*held);
        if missing > 0 {
            return Err(StockError::Short { missing });
        }
        *held -= units;
        Ok(*held)
    }
}

fn main() {
    let mut depot = Warehouse::default();
    depot.receive("bolt-m8", 40).receive("nut-m8", 12);
    match depot.choose("nut-m8", 20) {
        Ok(rest) => println!("{rest} left"),
        Err(StockError::Unknown(sku)) => println!("never heard of {sku}"),
        Err(problem) => println!("{problem:?} in {depot:?}"),
    }
}
