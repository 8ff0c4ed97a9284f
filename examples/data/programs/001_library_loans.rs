use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq)]
struct Loan {
    title: String,
    days_left: i32,
}

trait Reminder {
    fn notice(&self, grace: i32) -> Option<String>;
}

impl Reminder for Loan {
    fn notice(&self, grace: i32) -> Option<String> {
        (self.days_left + grace < 0).then(|| format!("{} is overdue", self.title))
    }
}

fn borrow_book(shelf: &mut HashMap<String, Vec<Loan>>, reader: &str, title: &str, days_left: i32) {
    let title = title.to_string();
    let loans = shelf.entry(reader.to_string()).or_default();
    loans.push(Loan { title, days_left });
}

fn main() {
    let mut shelf = HashMap::new();
    borrow_book(&mut shelf, "Ines", "Dune", -4);
    borrow_book(&mut shelf, "Ines", "Emma", 9);
    let snapshot = shelf.clone();
    let mut overdue = 0;
    for loan in shelf.get("Ines").expect("unknown reader") {
        if let Some(text) = loan.notice(2) {
            overdue += 1;
            println!("{text}");
        }
    }
    println!("{} overdue, unchanged: {}", overdue, shelf == snapshot);
}
