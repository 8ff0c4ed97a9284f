use std::rc::Rc;

trait Puppet {
    fn line(&mut self, mood: &Mood, volume: usize) -> String;
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    Merry,
    Grim,
}

struct Crow {
    name: Rc<str>,
}

struct Wolf<'w>(&'w str);

impl Puppet for Crow {
    fn line(&mut self, mood: &Mood, volume: usize) -> String {
        format!("{} ({mood:?}): caw{}", self.name, "!".repeat(volume))
    }
}

impl<'w> Puppet for Wolf<'w> {
    fn line(&mut self, mood: &Mood, volume: usize) -> String {
        match mood {
            Mood::Merry => "ha".repeat(volume),
            Mood::Grim => self.0.chars().rev().take(volume).collect(),
        }
    }
}

fn main() {
    let name: Rc<str> = Rc::from("Corvus");
    let (mut crow, mut wolf) = (Crow { name: name.clone() }, Wolf("Isegrim"));
    let mood = Mood::Grim;
    println!("{name}: {} {}", crow.line(&mood, 3), wolf.line(&mood, 3));
    println!("{}", wolf.line(&Mood::Merry, 2));
}
