use std::collections::HashSet;

trait Puzzle {
    fn cell(&self, row: usize, column: usize) -> Option<u8>;
    fn place(&mut self, row: usize, column: usize, digit: u8);
}

#[derive(Clone, PartialEq)]
struct Grid {
    cells: Vec<Vec<Option<u8>>>,
}

impl Puzzle for Grid {
    fn cell(&self, row: usize, column: usize) -> Option<u8> {
        *self.cells.get(row)?.get(column)?
    }

    fn place(&mut self, row: usize, column: usize, digit: u8) {
        self.cells[row][column] = Some(digit);
    }
}

fn absent<P: Puzzle>(puzzle: &P, row: usize, size: u8) -> HashSet<u8> {
    let used: HashSet<u8> = (0..size as usize).filter_map(|c| puzzle.cell(row, c)).collect();
    (1..=size).filter(|digit| !used.contains(digit)).collect()
}

fn main() {
    let blank = Grid { cells: vec![vec![None; 4]; 4] };
    let mut grid = blank.clone();
    for (column, digit) in [3, 1, 4].into_iter().enumerate() {
        grid.place(2, column, digit);
    }
    let left = absent(&grid, 2, 4);
    let last = left.iter().next().expect("row is full");
    println!("{} {} {}", last, left.len(), grid == blank);
}
