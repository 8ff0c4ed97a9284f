use std::ops::Mul;

#[derive(Debug, Clone, PartialEq)]
struct Matrix<T> {
    cells: Vec<T>,
    columns: usize,
}

impl<T: Copy> Matrix<T> {
    fn cell(&self, row: usize, column: usize) -> Option<T> {
        self.cells.get(row * self.columns + column).copied()
    }

    fn transposed(&self) -> Matrix<T> {
        let rows = self.cells.len() / self.columns;
        let mut cells = Vec::with_capacity(self.cells.len());
        for column in 0..self.columns {
            cells.extend((0..rows).filter_map(|row| self.cell(row, column)));
        }
        let columns = rows;
        Matrix { cells, columns }
    }
}

fn scale_by<T: Copy + Mul<Output = T>>(matrix: &mut Matrix<T>, factor: T) {
    for cell in matrix.cells.iter_mut() {
        *cell = *cell * factor;
    }
}

fn main() {
    let (cells, columns) = (vec![1, 2, 3, 4, 5, 6], 3);
    let mut grid = Matrix { cells, columns };
    let untouched = grid.clone();
    scale_by(&mut grid, 10);
    let corner = grid.cell(1, 2).expect("corner exists");
    println!("{corner} {:?} {}", grid.transposed(), grid == untouched);
}
