use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, PartialEq)]
enum Token {
    Number(u32),
    Symbol(char),
}

struct Lexer<'src> {
    chars: Peekable<Chars<'src>>,
    position: usize,
}

impl<'src> Lexer<'src> {
    fn over(source: &'src str) -> Lexer<'src> {
        Lexer { chars: source.chars().peekable(), position: 0 }
    }

    fn next_token(&mut self) -> Option<Token> {
        let mut letter = self.chars.next()?;
        self.position += 1;
        let Some(mut value) = letter.to_digit(10) else {
            return Some(Token::Symbol(letter));
        };
        while let Some(digit) = self.chars.peek().and_then(|c| c.to_digit(10)) {
            letter = self.chars.next().unwrap_or(letter);
            value = value * 10 + digit;
        }
        Some(Token::Number(value))
    }
}

fn main() {
    let source = String::from("12+7");
    let mut lexer = Lexer::over(&source);
    let first = lexer.next_token().expect("empty input");
    let rest: Vec<Token> = std::iter::from_fn(|| lexer.next_token()).collect();
    println!("{:?} {:?} {} {}", first, rest, rest.contains(&first), lexer.position);
}
