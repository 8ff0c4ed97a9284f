use std::cell::RefCell;
use std::rc::Rc;

trait Listener {
    fn on_reading(&self, sensor: &str, degrees: f64);
}

#[derive(Debug, Clone, Default)]
struct Siren {
    log: Rc<RefCell<Vec<String>>>,
    limit: f64,
}

impl Listener for Siren {
    fn on_reading(&self, sensor: &str, degrees: f64) {
        if degrees > self.limit {
            let entry = format!("{sensor} at {degrees}");
            self.log.borrow_mut().push(entry);
        }
    }
}

fn broadcast(listeners: &[Box<dyn Listener>], sensor: &str, degrees: f64) -> usize {
    listeners.iter().for_each(|l| l.on_reading(sensor, degrees));
    listeners.len()
}

fn main() {
    let mut kitchen = Siren::default();
    kitchen.limit = 60.0;
    let mut attic = kitchen.clone();
    attic.limit = 35.5;
    let shared = Rc::clone(&kitchen.log);
    let listeners: Vec<Box<dyn Listener>> = vec![Box::new(kitchen), Box::new(attic)];
    let heard = broadcast(&listeners, "oven", 71.0) + broadcast(&listeners, "roof", 40.0);
    println!("{heard} calls, alarms {:?}", shared.borrow());
}
