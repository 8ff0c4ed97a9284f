use std::collections::HashMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Voice {
    Alto,
    Bass,
}

trait Singer<'r> {
    fn voice(&self, limit: f32) -> (&'r str, Voice);
}

struct Chorister<'r> {
    name: &'r str,
    lowest_hz: f32,
}

impl<'r> Singer<'r> for Chorister<'r> {
    fn voice(&self, limit: f32) -> (&'r str, Voice) {
        let kinds = [Voice::Alto, Voice::Bass];
        (self.name, kinds[usize::from(self.lowest_hz < limit)])
    }
}

fn seat<'r, S: Singer<'r>>(rows: &mut HashMap<Voice, Vec<S>>, singer: S) -> usize {
    let (_, voice) = singer.voice(150.0);
    let row = rows.entry(voice).or_default();
    row.push(singer);
    row.len()
}

fn main() {
    let roster = "Greta:196,Ivo:82.4".to_string();
    let mut rows = HashMap::new();
    for (name, hz) in roster.split(',').filter_map(|pair| pair.split_once(':')) {
        let lowest_hz = hz.parse().expect("frequency");
        seat(&mut rows, Chorister { name, lowest_hz });
    }
    println!("{:?}", rows[&Voice::Bass][0].voice(90.0));
}
