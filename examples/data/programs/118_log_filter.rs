use std::collections::HashMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Level {
    Warn,
    Fatal,
}

#[derive(Debug)]
struct Record<'l> {
    level: Level,
    text: &'l str,
}

impl<'l> Record<'l> {
    fn parse(line: &'l str, default: Level) -> Option<Record<'l>> {
        let (tag, text) = line.split_once(' ')?;
        let level = match tag {
            "F" => Level::Fatal,
            _ => default,
        };
        Some(Record { level, text })
    }
}

fn main() {
    let file = String::from("W disk nearly full\nF disk full\nempty");
    let mut groups: HashMap<Level, Vec<Record>> = HashMap::new();
    for record in file
        .lines()
        .filter_map(|line| Record::parse(line, Level::Warn))
    {
        groups.entry(record.level).or_default().push(record);
    }
    println!(
        "{} {:?}",
        groups[&Level::Fatal][0].text,
        groups.get(&Level::Warn).unwrap()
    );
}
