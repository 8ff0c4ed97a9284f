use std::collections::HashMap;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Amount {
    Pinch,
    Grams(u32),
}

struct Rack<'j> {
    jars: HashMap<&'j str, u32>,
    shopping: Vec<&'j str>,
}

impl<'j> Rack<'j> {
    fn take(&mut self, spice: &'j str, amount: Amount) -> Option<u32> {
        let left = self.jars.get_mut(spice)?;
        let wanted = match amount {
            Amount::Pinch => 1,
            Amount::Grams(weight) => weight,
        };
        let used = wanted.min(*left);
        *left -= used;
        if *left == 0 {
            self.shopping.push(spice);
        }
        Some(used)
    }
}

fn main() {
    let labels = String::from("cumin:30 saffron:2");
    let pairs = labels.split(' ').filter_map(|jar| jar.split_once(':'));
    let jars = pairs.map(|(name, n)| (name, n.parse().unwrap())).collect();
    let (shopping, small) = (Vec::new(), Amount::Pinch);
    let mut rack = Rack { jars, shopping };
    let used = rack.take("saffron", Amount::Grams(5)).expect("no saffron");
    let pinch = rack.take("cumin", small);
    println!("{used} {pinch:?} {:?}", rack.take("salt", small));
    println!("{:?} {:?}", rack.shopping, rack.jars);
}
