use std::collections::HashSet;

trait Venue {
    fn claim(&mut self, row: char, number: u16) -> bool;
}

#[derive(Debug, Clone)]
struct Screening<'f> {
    film: &'f str,
    taken: HashSet<(char, u16)>,
}

impl<'f> Venue for Screening<'f> {
    fn claim(&mut self, row: char, number: u16) -> bool {
        self.taken.insert((row, number))
    }
}

fn reserve_pair<V: Venue>(show: &mut V, row: char, start: u16) -> Result<u16, String> {
    match (show.claim(row, start), show.claim(row, start + 1)) {
        (true, true) => Ok(start + 1),
        (false, _) => Err(format!("{}{} is gone", row, start)),
        (_, false) => Err(format!("no neighbour for {}{}", row, start)),
    }
}

fn main() -> Result<(), String> {
    let title = String::from("Metropolis");
    let mut matinee = Screening {
        film: &title,
        taken: HashSet::new(),
    };
    let evening = matinee.clone();
    let next = reserve_pair(&mut matinee, 'C', 7)?;
    let clash = reserve_pair(&mut matinee, 'C', next).unwrap_err();
    println!("{} {} {:?}", matinee.film, clash, evening);
    Ok(())
}
