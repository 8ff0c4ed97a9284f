use std::fmt::Debug;
use std::ops::Sub;

#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Volt(f64);

impl Sub for Volt {
    type Output = Volt;
    fn sub(self, other: Volt) -> Volt {
        Volt(self.0 - other.0)
    }
}

struct Probe<Q> {
    offset: Q,
    samples: Vec<Q>,
}

impl<Q: Copy + PartialOrd + Debug + Sub<Output = Q>> Probe<Q> {
    fn sample(&mut self, raw: Q, limit: &Q) -> Result<Q, String> {
        let corrected = raw - self.offset;
        if corrected > *limit {
            return Err(format!("{corrected:?} is out of range"));
        }
        self.samples.push(corrected);
        Ok(corrected)
    }
}

fn main() -> Result<(), String> {
    let (offset, samples) = (Volt(0.2), Vec::new());
    let mut probe = Probe { offset, samples };
    let mut limit = Volt(5.0);
    let first = probe.sample(Volt(3.2), &limit)?;
    limit.0 /= 2.0;
    let second = probe.sample(Volt(9.0), &limit).unwrap_err();
    println!("{:?}, {second}, {}", first - offset, probe.samples.len());
    Ok(())
}
