use std::collections::HashMap;

#[derive(Clone, PartialEq)]
struct Person<'g> {
    given: &'g str,
    mother: Option<&'g str>,
}

trait Lineage<'g> {
    fn mother_of(&self, given: &str) -> Option<&'g str>;
}

impl<'g> Lineage<'g> for HashMap<&'g str, Person<'g>> {
    fn mother_of(&self, given: &str) -> Option<&'g str> {
        let person = self.get(given)?;
        person.mother
    }
}

fn ancestors<'g, L: Lineage<'g>>(tree: &L, given: &'g str, line: &mut Vec<&'g str>) -> usize {
    match tree.mother_of(given) {
        Some(mother) => {
            line.push(mother);
            1 + ancestors(tree, mother, line)
        }
        None => 0,
    }
}

fn main() {
    let edda = Person { given: "Edda", mother: None };
    let liv = Person { given: "Liv", mother: Some(edda.given) };
    let mut tree = HashMap::from([(edda.given, edda.clone())]);
    tree.insert(liv.given, liv);
    let mut line = Vec::new();
    println!("{} {:?} {}", ancestors(&tree, "Liv", &mut line), line, tree["Edda"] == edda);
}
