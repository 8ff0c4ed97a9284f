use std::collections::BTreeMap;

trait Tub {
    fn scoop(&mut self, size: u32) -> Result<u32, Trouble>;
}

#[derive(Debug, PartialEq)]
enum Trouble {
    Unknown,
    Melted,
}

#[derive(Clone, Default)]
struct Barrel {
    millilitres: u32,
}

impl Tub for Barrel {
    fn scoop(&mut self, size: u32) -> Result<u32, Trouble> {
        let rest = self.millilitres.checked_sub(size);
        self.millilitres = rest.ok_or(Trouble::Melted)?;
        Ok(self.millilitres)
    }
}

type Van<'f, T> = BTreeMap<&'f str, T>;

fn serve<'f, T: Tub>(van: &mut Van<'f, T>, flavour: &'f str, size: u32) -> Result<u32, Trouble> {
    let tub = van.get_mut(flavour).ok_or(Trouble::Unknown)?;
    tub.scoop(size)
}

fn main() {
    let full = Barrel { millilitres: 200 };
    let mut van = BTreeMap::from([("mango", full.clone()), ("mint", full)]);
    van.insert("fig", Barrel::default());
    println!("{:?}", serve(&mut van, "mango", 60));
    println!("{}", serve(&mut van, "fig", 60) == Err(Trouble::Melted));
}
