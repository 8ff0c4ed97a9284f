use std::fmt::Debug;

#[derive(Debug, Clone, PartialEq)]
struct Station<'a> {
    mhz: f64,
    callsign: &'a str,
}

trait Tunable {
    fn tune(&mut self, mhz: f64) -> Option<&str>;
}

#[derive(Debug)]
struct Radio<'a> {
    presets: Vec<Station<'a>>,
    volume: u8,
}

impl<'a> Tunable for Radio<'a> {
    fn tune(&mut self, mhz: f64) -> Option<&str> {
        self.volume += 1;
        let nearby = self.presets.iter().find(|s| (s.mhz - mhz).abs() < 0.2)?;
        Some(nearby.callsign)
    }
}

fn scan<R: Tunable + Debug>(radio: &mut R, from: f64, steps: usize) -> Vec<String> {
    let band = (0..steps).map(|i| from + 0.5 * i as f64);
    band.filter_map(|mhz| radio.tune(mhz).map(str::to_owned)).collect()
}

fn main() {
    let sign = "Fjord FM".to_string();
    let fjord = Station { mhz: 98.1, callsign: &sign };
    let mut radio = Radio { presets: vec![fjord.clone()], volume: 3 };
    let heard = scan(&mut radio, 97.0, 4);
    println!("{:?} {} {}", heard, radio.presets[0] == fjord, radio.volume);
}
