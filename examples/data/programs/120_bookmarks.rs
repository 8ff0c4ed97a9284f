use std::collections::HashMap;
use std::error::Error;

#[derive(Clone)]
struct Bookmark {
    url: String,
    visits: u32,
}

impl Bookmark {
    fn host<'u>(&'u self, scheme: &str) -> Option<&'u str> {
        let rest = self.url.strip_prefix(scheme)?;
        rest.split('/').next()
    }
}

fn import(line: &str, shelf: &mut HashMap<String, Bookmark>) -> Result<u32, Box<dyn Error>> {
    let (url, visits) = line.split_once(' ').ok_or("missing column")?;
    let entry = Bookmark { url: url.to_string(), visits: visits.parse()? };
    let site = entry.host("https://").ok_or("not secure")?;
    shelf.insert(site.to_string(), entry.clone());
    Ok(entry.visits)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut shelf = HashMap::new();
    let visits = import("https://maps.example/alps 14", &mut shelf)?;
    let failed = import("https://news.example many", &mut shelf);
    let maps = shelf.get("maps.example").expect("imported");
    println!("{} {} {:?} {}", visits, maps.url, failed.is_err(), shelf.len());
    Ok(())
}
