use std::collections::VecDeque;

#[derive(Debug, Clone, PartialEq)]
enum Cue {
    Lights(u8),
    Sound { file: String, volume: f32 },
    Curtain,
}

#[derive(Default)]
struct Stage {
    brightness: u8,
    playing: Vec<String>,
    open: bool,
}

impl Stage {
    fn fire(&mut self, cue: &Cue) {
        match cue {
            Cue::Lights(level) => self.brightness = *level,
            Cue::Sound { file, volume } if *volume > 0.0 => self.playing.push(file.clone()),
            Cue::Sound { file, .. } => self.playing.retain(|name| name != file),
            Cue::Curtain => self.open = !self.open,
        }
    }
}

fn run_until(stage: &mut Stage, sheet: &mut VecDeque<Cue>, stop: &Cue) -> Option<usize> {
    let index = sheet.iter().position(|cue| cue == stop)?;
    sheet.drain(..index).for_each(|cue| stage.fire(&cue));
    Some(index)
}

fn main() {
    let storm = Cue::Sound { file: "storm.wav".to_string(), volume: 0.8 };
    let mut sheet = VecDeque::from([Cue::Curtain, storm.clone(), Cue::Lights(40)]);
    let mut stage = Stage::default();
    let fired = run_until(&mut stage, &mut sheet, &Cue::Lights(40)).unwrap();
    println!("{} {:?} {} {} {:?}", fired, stage.playing, stage.open, stage.brightness, storm);
}
