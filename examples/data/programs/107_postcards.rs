use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Clone)]
struct Postcard<'m> {
    town: String,
    message: Cow<'m, str>,
}

fn censor<'m>(message: &'m str, banned: &str) -> Cow<'m, str> {
    if message.contains(banned) {
        Cow::Owned(message.replace(banned, "####"))
    } else {
        Cow::Borrowed(message)
    }
}

impl<'m> Postcard<'m> {
    fn write(town: &str, message: &'m str) -> Postcard<'m> {
        Postcard { town: town.to_string(), message: censor(message, "rain") }
    }

    fn postage(&self, rates: &HashMap<String, u32>, weight: u32) -> Option<u32> {
        let rate = rates.get(&self.town)?;
        Some(rate * weight + self.message.len() as u32)
    }
}

fn main() {
    let mut rates = HashMap::new();
    rates.insert("Bergen".to_string(), 12);
    let scribble = String::from("rain all week, love Pim");
    let card = Postcard::write("Bergen", &scribble);
    let mut copy = card.clone();
    copy.town.push_str(" Nord");
    println!("{:?} {:?} {}", card.postage(&rates, 2), copy.postage(&rates, 2), copy.message);
}
