use std::collections::HashMap;
use std::ops::Add;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Spot {
    east: i16,
    north: i16,
}

impl Add for Spot {
    type Output = Spot;

    fn add(self, step: Spot) -> Spot {
        let (east, north) = (self.east + step.east, self.north + step.north);
        Spot { east, north }
    }
}

fn follow<P: Add<Output = P> + Copy>(start: P, route: &[P], trail: &mut Vec<P>) -> P {
    route.iter().fold(start, |here, step| {
        trail.push(here);
        here + *step
    })
}

fn clue_at<'m>(clues: &'m HashMap<Spot, String>, spot: &Spot) -> Result<&'m str, String> {
    let clue = clues.get(spot).ok_or(format!("nothing at {spot:?}"))?;
    Ok(clue.as_str())
}

fn main() {
    let start = Spot { east: 0, north: 4 };
    let stride = Spot { east: 2, north: -1 };
    let mut trail = Vec::new();
    let end = follow(start, &[stride, stride], &mut trail);
    let mut clues = HashMap::new();
    clues.insert(end, "dig under the oak".to_string());
    println!("{:?} {}", clue_at(&clues, &end), trail.contains(&end));
}
