use std::fmt::Debug;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flash {
    Short,
    Long,
}

#[derive(Debug, Clone, PartialEq)]
struct Signal {
    flashes: Vec<Flash>,
}

trait Beam {
    fn seconds(&self, gap: f32) -> f32;
}

impl Beam for Signal {
    fn seconds(&self, gap: f32) -> f32 {
        let lit = self.flashes.iter().map(|flash| match flash {
            Flash::Short => 0.5 + gap,
            Flash::Long => 2.0 + gap,
        });
        lit.sum()
    }
}

fn caption<D: Debug, N: PartialOrd>(value: &D, light: N, limit: N) -> String {
    format!("{value:?} too long: {}", light > limit)
}

fn main() {
    let flashes = vec![Flash::Long, Flash::Short, Flash::Long];
    let mut signal = Signal { flashes };
    let mut mirrored = signal.clone();
    mirrored.flashes.reverse();
    signal.flashes.push(Flash::Short);
    let text = caption(&signal, signal.seconds(1.0), 7.5);
    println!("{text} {}", signal == mirrored);
}
