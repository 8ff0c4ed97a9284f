use std::fmt::{Display, Write};

#[derive(PartialEq)]
struct Run<T> {
    value: T,
    length: usize,
}

fn encode<T: PartialEq + Clone>(items: &[T]) -> Vec<Run<T>> {
    let mut runs: Vec<Run<T>> = Vec::new();
    for item in items {
        match runs.last_mut() {
            Some(run) if run.value == *item => run.length += 1,
            _ => runs.push(Run { value: item.clone(), length: 1 }),
        }
    }
    runs
}

impl<T: Clone> Run<T> {
    fn expand(&self) -> Vec<T> {
        vec![self.value.clone(); self.length]
    }
}

fn show<T: Display>(runs: &[Run<T>], sep: char) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for run in runs {
        write!(text, "{}{}{}", run.length, run.value, sep)?;
    }
    Ok(text)
}

fn main() {
    let pixels: Vec<char> = "wwwbbw".chars().collect();
    let runs = encode(&pixels);
    let longest = runs.iter().map(|run| run.length).max().unwrap();
    let decoded: Vec<char> = runs.iter().flat_map(|run| run.expand()).collect();
    println!("{} {:?} {}", longest, show(&runs, ' '), decoded == pixels && runs != encode(&['w']));
}
