use std::fmt;

#[derive(Debug, Clone, PartialEq)]
enum Stitch {
    Knit(u32),
    Purl(u32),
}

#[derive(Debug)]
struct PatternError {
    token: String,
    column: usize,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot knit {} at {}", self.token, self.column)
    }
}

fn read_stitch(token: &str, column: usize) -> Result<Stitch, PatternError> {
    let problem = PatternError { token: token.to_string(), column };
    let (kind, digits) = token.split_at(1);
    match (kind, digits.parse()) {
        ("k", Ok(count)) => Ok(Stitch::Knit(count)),
        ("p", Ok(count)) => Ok(Stitch::Purl(count)),
        _ => Err(problem),
    }
}

fn main() -> Result<(), PatternError> {
    let mut row = vec![read_stitch("k2", 0)?, read_stitch("p6", 1)?];
    let front = row.clone();
    row.reverse();
    println!("{:?} {} {}", row, front == row, read_stitch("z9", 2).unwrap_err());
    Ok(())
}
