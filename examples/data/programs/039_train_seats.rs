use std::fmt::Debug;

#[derive(Debug, Clone, PartialEq)]
enum Seat {
    Free,
    Taken { passenger: String },
}

trait Coach {
    fn occupy(&mut self, row: usize, passenger: &str) -> Result<(), String>;
    fn vacancies(&self) -> usize;
}

impl Coach for Vec<Seat> {
    fn occupy(&mut self, row: usize, passenger: &str) -> Result<(), String> {
        let seat = self.get_mut(row).ok_or_else(|| format!("no row {row}"))?;
        if let Seat::Taken { passenger } = seat {
            return Err(format!("{passenger} sits there"));
        }
        let passenger = passenger.to_owned();
        *seat = Seat::Taken { passenger };
        Ok(())
    }

    fn vacancies(&self) -> usize {
        self.iter().filter(|seat| **seat == Seat::Free).count()
    }
}

fn inspect<C: Coach + Debug>(coach: &C, label: &str) -> String {
    format!("{label} {} free in {coach:?}", coach.vacancies())
}

fn main() -> Result<(), String> {
    let mut coach = vec![Seat::Free; 3];
    coach.occupy(0, "Ms Okafor")?;
    let refusal = coach.occupy(0, "Mr Hale").unwrap_err();
    println!("{refusal}; {}", inspect(&coach, "coach 4"));
    Ok(())
}
