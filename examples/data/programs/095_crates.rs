use std::collections::HashMap;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Release {
    major: u32,
    minor: u32,
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('.').ok_or_else(|| text.to_string())?;
        let number = |part: &str| part.parse::<u32>().map_err(|e| e.to_string());
        Ok(Release {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

fn newest<'r>(index: &'r HashMap<String, Vec<Release>>, name: &str) -> Option<&'r Release> {
    index.get(name)?.iter().max()
}

fn main() -> Result<(), String> {
    let mut index: HashMap<String, Vec<Release>> = HashMap::new();
    let stable: Release = "1.4".parse()?;
    let preview = Release::from_str("2.0")?;
    index.insert("lanternfish".to_string(), vec![preview.clone(), stable]);
    let latest = newest(&index, "lanternfish").expect("unpublished");
    println!(
        "{:?} {} {:?}",
        latest,
        *latest == preview,
        Release::from_str("x.1")
    );
    Ok(())
}
