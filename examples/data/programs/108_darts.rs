use std::fmt::Display;

#[derive(Clone, PartialEq)]
enum Ring {
    Double,
    Treble,
}

#[derive(Debug)]
struct Thrower<'n> {
    nick: &'n str,
    left: u32,
}

impl<'n> Thrower<'n> {
    fn hit(&mut self, bed: u32, ring: Ring) -> Option<u32> {
        let points = match ring.clone() {
            Ring::Double => bed * 2,
            Ring::Treble => bed * 3,
        };
        let after = self.left.checked_sub(points)?;
        self.left = after;
        (after > 0 || ring == Ring::Double).then_some(after)
    }
}

fn chalk<T: Display>(board: &mut Vec<String>, nick: &str, score: T) {
    board.push(format!("{:<8}{:>4}", nick, score));
}

fn main() {
    let mut phil = Thrower { nick: "Phil", left: 101 };
    let mut board = Vec::new();
    let first = phil.hit(20, Ring::Treble).unwrap();
    chalk(&mut board, phil.nick, first);
    chalk(&mut board, phil.nick, phil.hit(25, Ring::Double).is_none());
    println!("{:?} {:?}", board, phil);
}
