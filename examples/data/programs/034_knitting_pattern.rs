use std::iter::repeat;

#[derive(Debug, Clone, PartialEq)]
enum Stitch {
    Knit,
    Purl,
    Repeat(Vec<Stitch>, usize),
}

trait Knittable {
    fn chart(&self, rows: &mut Vec<char>) -> usize;
}

impl Knittable for Stitch {
    fn chart(&self, rows: &mut Vec<char>) -> usize {
        match self {
            Stitch::Knit => rows.push('v'),
            Stitch::Purl => rows.push('-'),
            Stitch::Repeat(inner, times) => {
                for stitch in repeat(inner).take(*times).flatten() {
                    stitch.chart(rows);
                }
            }
        }
        rows.len()
    }
}

fn widest<'k, K: Knittable>(left: &'k K, right: &'k K, rows: &mut Vec<char>) -> &'k K {
    let (before, after) = (left.chart(rows), right.chart(rows));
    [left, right][usize::from(after > 2 * before)]
}

fn main() {
    let rib = Stitch::Repeat(vec![Stitch::Knit, Stitch::Purl], 3);
    let border = Stitch::Repeat(vec![rib.clone(), Stitch::Purl], 2);
    let mut rows = Vec::new();
    let winner = widest(&rib, &border, &mut rows);
    println!("{} {}", rows.iter().collect::<String>(), *winner == rib);
}
