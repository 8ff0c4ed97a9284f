use std::fmt;

#[derive(Debug, Clone, PartialEq)]
enum MeterError {
    BadCoin(u32),
    Empty,
}

impl fmt::Display for MeterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MeterError::BadCoin(cents) => write!(out, "coin of {cents} refused"),
            MeterError::Empty => out.write_str("no coins"),
        }
    }
}

fn insert_coin(balance: &mut u32, cents: u32) -> Result<(), MeterError> {
    if ![10, 20, 50, 100].contains(&cents) {
        return Err(MeterError::BadCoin(cents));
    }
    *balance += cents;
    Ok(())
}

fn minutes_paid(coins: &[u32], per_minute: u32) -> Result<u32, MeterError> {
    let mut balance = 0;
    for coin in coins {
        insert_coin(&mut balance, *coin)?;
    }
    balance.checked_div(per_minute).ok_or(MeterError::Empty)
}

fn main() {
    let failure = minutes_paid(&[50, 3], 5).unwrap_err();
    let mut logged = vec![failure.clone()];
    logged.push(MeterError::Empty);
    println!("{failure}, {}", logged[0] == failure);
    println!("{} minutes", minutes_paid(&[100, 20], 5).unwrap());
}
