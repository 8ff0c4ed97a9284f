use std::rc::Rc;

#[derive(Debug, PartialEq)]
struct Exhibition {
    theme: String,
    price: f32,
}

trait Visitor {
    fn discount(&self, base: f32) -> f32;
}

struct Family {
    children: u8,
}

impl Visitor for Family {
    fn discount(&self, base: f32) -> f32 {
        base * 0.2 * f32::from(self.children)
    }
}

fn sell<V: Visitor>(show: &Rc<Exhibition>, visitor: &V, till: &mut f32) -> String {
    let due = show.price - visitor.discount(show.price);
    *till += due;
    format!("{due} for {}", show.theme)
}

fn main() {
    let theme = "Glass".to_string();
    let show = Rc::new(Exhibition { theme, price: 14.0 });
    let poster = Rc::clone(&show);
    let mut till = 0.0;
    let mut family = Family { children: 2 };
    println!("{}", sell(&show, &family, &mut till));
    family.children += 1;
    println!("{}", sell(&poster, &family, &mut till));
    println!("till {till}, same show: {}", poster == show);
}
