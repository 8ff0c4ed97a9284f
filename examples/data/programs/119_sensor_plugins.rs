use std::collections::BTreeMap;

trait Probe {
    fn unit(&self) -> &'static str;
    fn sample(&mut self, hour: u8) -> f64;
}

struct Barometer {
    pressure: f64,
}

impl Probe for Barometer {
    fn unit(&self) -> &'static str {
        "hPa"
    }
    fn sample(&mut self, hour: u8) -> f64 {
        self.pressure -= f64::from(hour) / 10.0;
        self.pressure
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    unit: String,
    value: f64,
}

fn collect_hour<P: Probe>(probes: &mut BTreeMap<String, P>, hour: u8) -> Vec<Sample> {
    let read = |probe: &mut P| Sample { unit: probe.unit().to_string(), value: probe.sample(hour) };
    probes.values_mut().map(read).collect()
}

fn main() {
    let mut probes = BTreeMap::new();
    probes.insert("roof".to_string(), Barometer { pressure: 1013.0 });
    let morning = collect_hour(&mut probes, 8);
    let evening = collect_hour(&mut probes, 20);
    let drop = morning.first().unwrap().value - evening[0].value;
    println!("{:.1}{} {} {:?}", drop, morning[0].unit, morning == evening, evening.clone());
}
