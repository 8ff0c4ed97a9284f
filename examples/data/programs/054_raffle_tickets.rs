use std::collections::HashSet;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Ticket {
    Number(u32),
    Vip { guest: String },
}

trait Drum {
    fn drop_in(&mut self, ticket: &Ticket) -> bool;
    fn odds(&self, lucky: impl Fn(&Ticket) -> bool) -> f64;
}

impl Drum for HashSet<Ticket> {
    fn drop_in(&mut self, ticket: &Ticket) -> bool {
        self.insert(ticket.clone())
    }

    fn odds(&self, lucky: impl Fn(&Ticket) -> bool) -> f64 {
        self.iter().filter(|ticket| lucky(ticket)).count() as f64
    }
}

fn main() {
    let mut drum = HashSet::new();
    let mut sold = 0;
    for number in 1..=8 {
        sold += u32::from(drum.drop_in(&Ticket::Number(number % 7)));
    }
    let guest = "Mayor".to_string();
    drum.drop_in(&Ticket::Vip { guest });
    let chance = drum.odds(|ticket| match ticket {
        Ticket::Number(n) => n % 4 == 0,
        Ticket::Vip { guest } => guest.starts_with('M'),
    });
    println!(
        "{chance:.2} of {sold}, again: {}",
        drum.drop_in(&Ticket::Number(3))
    );
}
