use std::fmt::Write;

#[derive(Clone, Copy)]
struct Wrapper<'p> {
    prefix: &'p str,
    width: usize,
}

impl<'p> Wrapper<'p> {
    fn split<'t>(&self, text: &'t str) -> Vec<Vec<&'t str>> {
        let mut rows = vec![Vec::new()];
        let mut used = 0;
        for word in text.split_whitespace() {
            if used + word.len() > self.width {
                rows.push(Vec::new());
                used = 0;
            }
            used += word.len() + 1;
            rows.last_mut().unwrap().push(word);
        }
        rows
    }
}

fn narrowed(mut base: Wrapper, by: usize) -> Wrapper {
    base.width -= by;
    base
}

fn main() -> std::fmt::Result {
    let (prefix, width) = ("> ", 16);
    let wrapper = Wrapper { prefix, width };
    let narrow = narrowed(wrapper, 6);
    let mut page = String::new();
    for row in wrapper.split("the quick brown dog sleeps under a warm stove") {
        writeln!(page, "{}{:>16}", wrapper.prefix, row.join(" "))?;
    }
    let rows = narrow.split(&page).len();
    Ok(println!("{page}{rows}"))
}
