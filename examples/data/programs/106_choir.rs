use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Voice {
    Bass,
    Soprano,
}

trait Singer {
    fn voice(&self) -> Voice;
    fn in_tune(&self, hertz: f32) -> bool;
}

struct Member {
    lowest: f32,
    highest: f32,
}

impl Singer for Member {
    fn voice(&self) -> Voice {
        [Voice::Bass, Voice::Soprano][usize::from(self.highest > 500.0)]
    }
    fn in_tune(&self, hertz: f32) -> bool {
        (self.lowest..=self.highest).contains(&hertz)
    }
}

fn arrange<'c, S: Singer>(choir: &'c [S], hertz: f32) -> BTreeMap<Voice, Vec<&'c S>> {
    let mut rows: BTreeMap<Voice, Vec<&'c S>> = BTreeMap::new();
    let tuned = choir.iter().filter(|singer| singer.in_tune(hertz));
    tuned.for_each(|singer| rows.entry(singer.voice()).or_default().push(singer));
    rows
}

fn main() {
    let mut choir = vec![Member { lowest: 80.0, highest: 330.0 }];
    choir.extend([Member { lowest: 250.0, highest: 1050.0 }]);
    let rows = arrange(&choir, 440.0);
    println!("{:?} {}", rows.keys().next().unwrap(), rows.contains_key(&Voice::Bass));
}
