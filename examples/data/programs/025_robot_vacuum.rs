use std::collections::HashSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Tile {
    x: i32,
    y: i32,
}

enum Command {
    East(i32),
    North(i32),
    Dock,
}

trait Drive {
    fn obey(&mut self, command: &Command, speed: i32) -> Tile;
}

impl Drive for Tile {
    fn obey(&mut self, command: &Command, speed: i32) -> Tile {
        match command {
            Command::East(steps) => self.x += steps * speed,
            Command::North(steps) => self.y += steps * speed,
            Command::Dock => *self = Tile::default(),
        }
        *self
    }
}

fn main() {
    let program = [Command::East(3), Command::North(2), Command::Dock];
    let mut position = Tile::default();
    let mut cleaned = HashSet::new();
    for command in program.iter() {
        cleaned.insert(position.obey(command, 2));
    }
    let farthest = cleaned.iter().map(|t| t.x + t.y).max().unwrap();
    println!("{} tiles, up to {farthest}", cleaned.len());
    println!("{position:?} {}", cleaned.contains(&position));
}
