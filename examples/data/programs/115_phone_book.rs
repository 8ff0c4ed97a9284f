use std::collections::BTreeMap;
use std::fmt::Debug;

#[derive(Clone, PartialEq)]
enum Contact {
    Mobile(String),
    Office { number: String, desk: u16 },
}

struct PhoneBook<K> {
    entries: BTreeMap<K, Vec<Contact>>,
}

impl<K: Ord + Clone + Debug> PhoneBook<K> {
    fn add(&mut self, who: &K, contact: Contact) -> usize {
        let slots = self.entries.entry(who.clone()).or_insert_with(Vec::new);
        slots.push(contact);
        slots.len()
    }

    fn dial(&self, who: &K, choice: usize) -> Result<&str, String> {
        let slots = self.entries.get(who).ok_or_else(|| format!("{:?} unknown", who))?;
        match slots.get(choice) {
            Some(Contact::Mobile(number)) | Some(Contact::Office { number, .. }) => Ok(number),
            None => Err(format!("no line {}", choice)),
        }
    }
}

fn main() {
    let mut book = PhoneBook { entries: BTreeMap::new() };
    let marta = "Marta".to_string();
    let desk = Contact::Office { number: "555-0101".to_string(), desk: 12 };
    book.add(&marta, Contact::Mobile("555-0188".to_string()));
    book.add(&marta, desk.clone());
    println!("{} {:?}", book.dial(&marta, 1).unwrap(), book.dial(&marta, 2));
    println!("{}", desk == Contact::Office { number: "555-0101".to_string(), desk: 4 });
}
