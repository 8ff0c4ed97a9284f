use std::fmt::Display;

#[derive(Debug, Clone, Default)]
struct Climate {
    humidity: f64,
    celsius: f64,
}

trait Device {
    fn adjust(&self, air: &mut Climate);
}

struct Mister(f64);
struct Vent;

impl Device for Mister {
    fn adjust(&self, air: &mut Climate) {
        air.humidity += 4.0 * self.0;
    }
}

impl Device for Vent {
    fn adjust(&self, air: &mut Climate) {
        air.celsius -= 1.5;
    }
}

fn within<T: PartialOrd + Display>(sensor: &str, low: T, value: T) -> Option<String> {
    (value > low).then(|| format!("{} is {}", sensor, value))
}

fn main() {
    let mut air = Climate { celsius: 27.0, ..Climate::default() };
    let dawn = air.clone();
    let devices: Vec<Box<dyn Device>> = vec![Box::new(Vent), Box::new(Mister(12.0))];
    devices.iter().for_each(|device| device.adjust(&mut air));
    let reading = within("humidity", 40.0, air.humidity).expect("too dry");
    println!("{:?} {}", dawn, reading);
}
