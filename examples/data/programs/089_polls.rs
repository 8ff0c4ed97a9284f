use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Answer {
    Yes,
    No,
    Unsure,
}

struct Poll<'q> {
    question: &'q str,
    replies: Vec<Answer>,
}

impl<'q> Poll<'q> {
    fn ask(question: &'q str) -> Self {
        Poll { question, replies: Vec::new() }
    }

    fn share(&self, answer: Answer) -> Option<f32> {
        let hits = self.replies.iter().filter(|reply| **reply == answer).count();
        if self.replies.is_empty() {
            return None;
        }
        Some(100.0 * hits as f32 / self.replies.len() as f32)
    }
}

fn main() {
    let wording = "Should the fountain stay?".to_string();
    let mut poll = Poll::ask(&wording);
    let empty = poll.share(Answer::No);
    poll.replies.extend([Answer::Yes, Answer::Unsure, Answer::Yes]);
    let mut table = HashMap::new();
    for answer in [Answer::Yes, Answer::No] {
        table.insert(answer, poll.share(answer).unwrap());
    }
    println!("{} {:?} {}", poll.question, empty, table[&Answer::Yes]);
}
