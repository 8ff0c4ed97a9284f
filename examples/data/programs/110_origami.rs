use std::ops::Mul;

#[derive(Clone, PartialEq)]
struct Paper<T> {
    width: T,
    height: T,
}

impl<T: Mul<Output = T> + Copy> Paper<T> {
    fn area(&self) -> T {
        self.width * self.height
    }
}

fn halve(sheet: &mut Paper<f64>, label: &str) -> Result<f64, String> {
    sheet.width /= 2.0;
    if sheet.area() < 60.0 {
        return Err(format!("{} is too thick", label));
    }
    Ok(sheet.area())
}

fn main() -> Result<(), String> {
    let square = Paper {
        width: 15.0,
        height: 15.0,
    };
    let mut crane = square.clone();
    println!("{} {}", halve(&mut crane, "crane")?, square == crane);
    println!("{}", halve(&mut crane, "crane").unwrap_err());
    Ok(())
}
