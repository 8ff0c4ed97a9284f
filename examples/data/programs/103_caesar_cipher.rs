use std::fmt::Debug;

trait Cipher {
    fn encrypt(&self, plain: &str) -> String;
    fn inverse(&self) -> Self;
}

#[derive(Debug, Clone, PartialEq)]
struct Caesar {
    shift: u8,
    alphabet: Vec<char>,
}

impl Cipher for Caesar {
    fn encrypt(&self, plain: &str) -> String {
        let size = self.alphabet.len();
        let rotate = |letter: char| match self.alphabet.iter().position(|c| *c == letter) {
            Some(index) => self.alphabet[(index + self.shift as usize) % size],
            None => letter,
        };
        plain.chars().map(rotate).collect()
    }

    fn inverse(&self) -> Self {
        Caesar { shift: self.alphabet.len() as u8 - self.shift, alphabet: self.alphabet.clone() }
    }
}

fn round_trip<C: Cipher + Debug>(cipher: &C, message: &str) -> Option<String> {
    let secret = cipher.encrypt(message);
    println!("{:?} gave {}", cipher, secret);
    (cipher.inverse().encrypt(&secret) == message).then_some(secret)
}

fn main() {
    let cipher = Caesar { shift: 3, alphabet: ('a'..='z').collect() };
    let mut twice = cipher.clone();
    twice.shift += 3;
    println!("{} {}", round_trip(&cipher, "meet at dawn").unwrap(), cipher == twice);
}
