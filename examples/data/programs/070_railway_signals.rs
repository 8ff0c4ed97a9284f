use std::fmt::Debug;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Aspect {
    Clear,
    Caution,
    Danger,
}

#[derive(Debug, Default)]
struct Block {
    code: String,
    occupied: bool,
}

impl Block {
    fn aspect(&self, ahead: Aspect) -> Aspect {
        match (self.occupied, ahead) {
            (true, _) => Aspect::Danger,
            (false, Aspect::Danger) => Aspect::Caution,
            (false, _) => Aspect::Clear,
        }
    }
}

fn report<T: Debug>(name: &str, rows: &[T]) -> usize {
    rows.iter().for_each(|row| println!("{} {:?}", name, row));
    rows.len()
}

fn main() {
    let mut line: Vec<Block> = (0..4).map(|_| Block::default()).collect();
    line[2] = Block { code: "B3".to_string(), occupied: true };
    let mut shown = vec![Aspect::Clear];
    for block in line.iter().rev() {
        shown.push(block.aspect(*shown.last().unwrap()));
    }
    report(&line[2].code, &line);
    println!("{} {}", report("signal", &shown), shown[3] == Aspect::Caution);
}
