use std::fmt::{Display, Formatter, Result as FmtResult};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Track {
    artist: String,
    seconds: u32,
}

impl Display for Track {
    fn fmt(&self, f: &mut Formatter) -> FmtResult {
        write!(f, "{} ({} s)", self.artist, self.seconds)
    }
}

trait Shuffle {
    fn rotate_songs(&mut self, steps: usize) -> u32;
}

impl Shuffle for Vec<Track> {
    fn rotate_songs(&mut self, steps: usize) -> u32 {
        let turns = steps % self.len();
        self.rotate_left(turns);
        self.iter().map(|track| track.seconds).sum()
    }
}

fn enqueue(queue: &mut Vec<Track>, artist: &str, seconds: u32) {
    let artist = artist.to_string();
    queue.push(Track { artist, seconds });
}

fn main() {
    let mut queue = Vec::new();
    enqueue(&mut queue, "Nina", 201);
    enqueue(&mut queue, "Bjork", 318);
    let total = queue.rotate_songs(3);
    let longest = queue.iter().max_by_key(|t| t.seconds).unwrap().clone();
    queue.sort();
    println!("{} first, {longest}, {total} in all", queue[0]);
}
