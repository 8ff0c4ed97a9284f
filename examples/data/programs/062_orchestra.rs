use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Strings,
    Brass,
}

struct Player<'a> {
    surname: &'a str,
    section: Section,
    desk: usize,
}

impl<'a> Player<'a> {
    fn seated(surname: &'a str, section: Section, desk: usize) -> Self {
        Player { surname, section, desk }
    }

    fn loudness(&self) -> u32 {
        match self.section {
            Section::Strings => 2,
            Section::Brass => 7,
        }
    }
}

fn front_desk<'a>(players: &[Player<'a>], wanted: Section) -> Option<&'a str> {
    let candidates = players.iter().filter(|p| p.section == wanted);
    let leader = candidates.min_by_key(|p| p.desk)?;
    Some(leader.surname)
}

fn main() {
    let mut players = vec![Player::seated("Okafor", Section::Strings, 2)];
    players.push(Player::seated("Lindqvist", Section::Strings, 1));
    let mut volume: BTreeMap<Section, u32> = BTreeMap::new();
    players.iter().for_each(|p| *volume.entry(p.section).or_insert(0) += p.loudness());
    println!("{:?} {:?}", volume, front_desk(&players, Section::Brass));
}
