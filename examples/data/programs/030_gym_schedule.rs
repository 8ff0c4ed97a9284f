use std::fmt::Debug;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Beginner,
    Advanced,
}

#[derive(Clone)]
struct Session<'g, L> {
    coach: &'g str,
    level: L,
    hour: u8,
}

fn pick<'g, L: Ord + Debug>(one: &Session<'g, L>, two: &Session<'g, L>) -> Result<&'g str, String> {
    if one.hour == two.hour {
        return Err(format!("{:?} clashes with {:?}", one.level, two.level));
    }
    let harder = std::cmp::max_by_key(one, two, |session| &session.level);
    Ok(harder.coach)
}

fn main() -> Result<(), String> {
    let (coach, level, hour) = ("Yara", Level::Beginner, 9);
    let yoga = Session { coach, level, hour };
    let mut boxing = yoga.clone();
    let mut weeks = 0;
    while boxing.hour < 12 {
        boxing.hour += 2;
        weeks += 1;
    }
    boxing.level = Level::Advanced;
    match pick(&yoga, &boxing)? {
        "Yara" => println!("Yara again"),
        other => println!("{other} takes over in {weeks} weeks"),
    }
    Ok(())
}
