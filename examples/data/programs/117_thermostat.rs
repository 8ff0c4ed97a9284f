use std::cell::Cell;
use std::fmt::Display;
use std::rc::Rc;

#[derive(Clone)]
struct Thermostat {
    setting: Rc<Cell<f32>>,
    room: String,
}

trait Sensor {
    type Reading: PartialOrd + Display;

    fn measure(&self, offset: f32) -> Self::Reading;
}

impl Sensor for Thermostat {
    type Reading = f32;

    fn measure(&self, offset: f32) -> f32 {
        self.setting.get() - offset
    }
}

fn alarm<S: Sensor>(sensor: &S, floor: S::Reading, offset: f32) -> Result<String, String> {
    let reading = sensor.measure(offset);
    let warning = format!("{} is below {}", reading, floor);
    (reading >= floor).then(|| reading.to_string()).ok_or(warning)
}

fn main() -> Result<(), String> {
    let hall = Thermostat { setting: Rc::new(Cell::new(19.5)), room: "hall".to_string() };
    let mut attic = hall.clone();
    attic.room = "attic".to_string();
    attic.setting.set(21.0);
    println!("{} {}", hall.room, alarm(&hall, 18.0, 0.5)?);
    println!("{} {:?}", attic.room, alarm(&attic, 18.0, 6.0));
    Ok(())
}
