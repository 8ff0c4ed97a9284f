use std::collections::VecDeque;

#[derive(Debug, Clone)]
struct WeatherLog<'s> {
    station: &'s str,
    readings: VecDeque<f32>,
}

impl<'s> WeatherLog<'s> {
    fn at(station: &'s str) -> WeatherLog<'s> {
        let readings = VecDeque::new();
        WeatherLog { station, readings }
    }

    fn record(&mut self, celsius: f32, keep: usize) {
        self.readings.push_back(celsius);
        let surplus = self.readings.len().saturating_sub(keep);
        self.readings.drain(..surplus);
    }

    fn average(&self) -> Option<f32> {
        let newest = self.readings.back()?;
        let sum = self.readings.iter().fold(0.0, |acc, t| acc + t);
        Some((sum / self.readings.len() as f32).max(newest - 10.0))
    }
}

fn main() {
    let mut place = String::from("Tromso");
    place.push_str(" harbour");
    let mut log = WeatherLog::at(&place);
    for celsius in [-3.5, -1.0, 2.25, 4.0] {
        log.record(celsius, 3);
    }
    let backup = log.clone();
    log.readings.clear();
    let mean = backup.average().expect("no readings");
    println!("{}: {:.1} from {:?}", log.station, mean, backup);
}
