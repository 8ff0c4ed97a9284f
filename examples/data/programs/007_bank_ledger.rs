use std::collections::HashMap;

#[derive(Debug, Clone)]
enum Entry {
    Deposit(String, i64),
    Transfer(String, String, i64),
}

#[derive(Default)]
struct Ledger {
    accounts: HashMap<String, i64>,
    history: Vec<Entry>,
}

impl Ledger {
    fn apply(&mut self, entry: &Entry) -> Option<i64> {
        self.history.push(entry.clone());
        match entry {
            Entry::Deposit(owner, amount) => Some(self.shift(owner, *amount)),
            Entry::Transfer(from, to, amount) => {
                let funds = self.accounts.get(from)?;
                let moved = (*funds).min(*amount);
                Some(self.shift(from, -moved) + self.shift(to, moved))
            }
        }
    }

    fn shift(&mut self, owner: &str, delta: i64) -> i64 {
        let balance = self.accounts.entry(owner.to_string()).or_insert(0);
        *balance += delta;
        *balance
    }
}

fn main() {
    let mut ledger = Ledger::default();
    ledger.apply(&Entry::Deposit("Omar".into(), 300)).unwrap();
    let result = ledger.apply(&Entry::Transfer("Lea".into(), "Omar".into(), 5));
    println!("{:?} after {:?}", result, ledger.history);
}
