use std::fmt::Display;

#[derive(Debug)]
enum Verdict<'p> {
    Haiku(&'p str),
    Miscounted { line: &'p str, found: usize },
}

trait Syllables {
    fn count(&self, vowels: &str) -> usize;
}

impl Syllables for str {
    fn count(&self, vowels: &str) -> usize {
        self.chars().filter(|c| vowels.contains(*c)).count()
    }
}

fn check<'p>(poem: &'p str, shape: &[usize]) -> Option<Verdict<'p>> {
    let lines = poem.lines().map(|line| (line, line.count("aeiouy")));
    let mut pairs = lines.zip(shape);
    let wrong = pairs.find(|(seen, goal)| seen.1 != **goal);
    let verdict = wrong.map(|((line, found), _)| Verdict::Miscounted { line, found });
    verdict.or(Some(Verdict::Haiku(poem.lines().next()?)))
}

fn frame<D: Display>(content: D, border: char) -> String {
    format!("{border} {content} {border}")
}

fn main() {
    let mut poem = String::from("an old silent pond");
    poem += "\na frog jumps in";
    let verdict = check(&poem, &[5, 4]).expect("empty poem");
    println!("{verdict:?}");
    match verdict {
        Verdict::Haiku(title) => println!("{}", frame(title, '~')),
        Verdict::Miscounted { line, found } => println!("{line}: {}", frame(found, '!')),
    }
}
