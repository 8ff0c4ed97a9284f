use std::collections::{HashMap, HashSet};
use std::hash::Hash;

trait Maze<N> {
    fn exits(&self, room: &N) -> &[N];
}

#[derive(Default)]
struct Caves {
    tunnels: HashMap<String, Vec<String>>,
}

impl Maze<String> for Caves {
    fn exits(&self, room: &String) -> &[String] {
        self.tunnels.get(room).map_or(&[], |rooms| rooms.as_slice())
    }
}

fn reachable<'m, N, M>(maze: &'m M, start: &'m N, seen: &mut HashSet<&'m N>) -> usize
where
    N: Hash + Eq,
    M: Maze<N>,
{
    if seen.insert(start) {
        for next in maze.exits(start) {
            reachable(maze, next, seen);
        }
    }
    seen.len()
}

fn main() {
    let mouth = "mouth".to_string();
    let mut caves = Caves::default();
    caves.tunnels.insert(mouth.clone(), vec!["lake".to_string(), mouth.clone()]);
    let mut seen = HashSet::new();
    println!("{} {}", reachable(&caves, &mouth, &mut seen), seen.contains(&mouth));
}
