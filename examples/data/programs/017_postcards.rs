use std::borrow::Cow;

#[derive(Debug, Clone, PartialEq)]
struct Postcard<'w> {
    town: Cow<'w, str>,
    lines: Vec<String>,
}

fn tidy<'w>(town: &'w str, fallback: &'w str) -> Cow<'w, str> {
    match town.trim() {
        "" => Cow::Borrowed(fallback),
        name if name.contains('_') => Cow::Owned(name.replace('_', " ")),
        name => Cow::Borrowed(name),
    }
}

fn compose<'w>(town: &'w str, message: &str, width: usize) -> Postcard<'w> {
    let mut lines = Vec::new();
    let letters: Vec<char> = message.chars().collect();
    for piece in letters.chunks(width) {
        lines.push(piece.iter().collect::<String>());
    }
    let town = tidy(town, "nowhere");
    Postcard { town, lines }
}

fn add_greeting(card: &mut Postcard, sender: &str) {
    let farewell = format!("Love, {sender}");
    card.lines.push(farewell);
}

fn main() {
    let mut card = compose("San_Remo", "the sea is warm and the bread is good", 12);
    let draft = card.clone();
    add_greeting(&mut card, "Tove");
    let last = card.lines.last().unwrap();
    println!("{} | {last} | {}", card.town, draft == card);
}
