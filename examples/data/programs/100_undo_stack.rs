use std::mem::swap;

trait Command<S> {
    fn apply(&mut self, target: &mut S);
}

#[derive(Debug, Clone, PartialEq)]
struct Document {
    title: String,
    pages: u32,
}

struct Rename(String);

impl Command<Document> for Rename {
    fn apply(&mut self, target: &mut Document) {
        swap(&mut target.title, &mut self.0);
    }
}

fn perform<S, C: Command<S>>(mut command: C, target: &mut S, history: &mut Vec<C>) {
    command.apply(target);
    history.push(command);
}

fn undo<S, C: Command<S>>(target: &mut S, history: &mut Vec<C>) -> Option<C> {
    let mut last = history.pop()?;
    last.apply(target);
    Some(last)
}

fn main() {
    let mut letter = Document { title: "Draft".to_string(), pages: 2 };
    let original = letter.clone();
    let mut history = Vec::new();
    perform(Rename("Final".to_string()), &mut letter, &mut history);
    println!("{:?}", letter);
    let undone = undo(&mut letter, &mut history).expect("nothing to undo");
    println!("{} {} {}", undone.0, letter == original, letter.pages);
}
