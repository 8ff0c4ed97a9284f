use std::cmp::Ordering;

#[derive(Clone, PartialEq)]
struct Shelf<T> {
    sorted: Vec<T>,
    probes: u32,
}

impl<T: Ord> Shelf<T> {
    fn locate(&mut self, wanted: &T) -> Result<usize, usize> {
        let mut low = 0;
        let mut high = self.sorted.len();
        while low < high {
            let middle = (low + high) / 2;
            self.probes += 1;
            match self.sorted[middle].cmp(wanted) {
                Ordering::Equal => return Ok(middle),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

fn main() {
    let mut shelf = Shelf {
        sorted: vec!["Abe", "Costa", "Dube"],
        probes: 0,
    };
    let before = shelf.clone();
    let slot = shelf.locate(&"Nair").unwrap_err();
    shelf.sorted.insert(slot, "Nair");
    println!(
        "{:?} {} {}",
        shelf.locate(&"Costa").unwrap(),
        shelf.probes,
        shelf == before
    );
}
