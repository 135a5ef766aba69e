//! Turns and rounds, and what is made of the figures of several.

/// The samples of each contender, or why there are none.
pub(crate) type Outcomes<T> = Vec<Result<Vec<T>, String>>;

/// Each round gives every contender one turn, so that a disturbance of some seconds falls on all of them; and each round begins
/// with another one, so that none always follows the same neighbour. A contender that has failed gets no further turn.
pub(crate) fn interleave<T>(
    rounds: usize,
    count: usize,
    mut turn: impl FnMut(usize) -> Result<T, String>,
) -> Outcomes<T> {
    let mut outcomes: Outcomes<T> = (0..count).map(|_| Ok(Vec::new())).collect();
    for round in 0..rounds {
        for index in (0..count).map(|place| (place + round) % count) {
            if let Ok(samples) = &mut outcomes[index] {
                match turn(index) {
                    Ok(sample) => samples.push(sample),
                    Err(why) => outcomes[index] = Err(why),
                }
            }
        }
    }
    outcomes
}

/// The middle of some figures, and how far they lie apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Summary {
    /// At least one figure is needed.
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Option<Summary> {
        let mut all: Vec<f64> = figures.collect();
        all.sort_by(f64::total_cmp);
        let (least, most) = (*all.first()?, *all.last()?);
        Some(Summary { median: (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0, least, most })
    }

    /// The median as `show` writes it, and half the way from the least to the most in percent of it.
    pub(crate) fn with_spread(&self, show: impl Fn(f64) -> String) -> String {
        let percent = (self.most - self.least) / self.median * 50.0;
        if self.most > self.least {
            format!("{} ±{percent:.0}%", show(self.median))
        } else {
            show(self.median)
        }
    }
}
