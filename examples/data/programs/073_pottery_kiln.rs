use std::time::Duration;

#[derive(Clone, PartialEq)]
enum Stage {
    Ramp { degrees: u32 },
    Hold(Duration),
    Cool,
}

struct Kiln {
    celsius: u32,
    elapsed: Duration,
}

impl Kiln {
    fn run(&mut self, stage: &Stage, rate: u32) -> Result<u32, String> {
        match stage {
            Stage::Ramp { degrees } => {
                let minutes = degrees.checked_div(rate).ok_or("no heating rate")?;
                self.elapsed += Duration::from_secs(60) * minutes;
                self.celsius += degrees;
            }
            Stage::Hold(span) => self.elapsed += *span,
            Stage::Cool => self.celsius = 20,
        }
        Ok(self.celsius)
    }
}

fn main() -> Result<(), String> {
    let mut kiln = Kiln { celsius: 20, elapsed: Duration::ZERO };
    let bisque = vec![Stage::Ramp { degrees: 980 }, Stage::Hold(Duration::from_secs(900))];
    let mut glaze = bisque.clone();
    glaze.push(Stage::Cool);
    let heats = glaze.iter().map(|s| kiln.run(s, 5)).collect::<Result<Vec<u32>, String>>()?;
    println!("{:?} {:?} {}", heats, kiln.elapsed, glaze.last() == bisque.last());
    Ok(())
}
