use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    White,
    Black,
}

struct ChessClock {
    white: Duration,
    black: Duration,
    turn: Side,
}

trait Press {
    fn press(&mut self, spent: Duration, bonus: u64) -> Option<Side>;
}

impl Press for ChessClock {
    fn press(&mut self, spent: Duration, bonus: u64) -> Option<Side> {
        let (active, next) = match self.turn {
            Side::White => (&mut self.white, Side::Black),
            Side::Black => (&mut self.black, Side::White),
        };
        *active = active.checked_sub(spent)? + Duration::from_secs(bonus);
        Some(std::mem::replace(&mut self.turn, next))
    }
}

fn main() {
    let start = Duration::from_secs(90);
    let (white, black, turn) = (start, start, Side::White);
    let mut clock = ChessClock { white, black, turn };
    let mut presses = 0;
    for seconds in [12, 30, 85].iter() {
        let mover = clock.press(Duration::from_secs(*seconds), 2);
        println!("{presses} {:?} {:?} {mover:?}", clock.white, clock.black);
        presses += 1;
    }
}
