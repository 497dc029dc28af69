//! How sure it is that a hold was a pause.
//!
//! A logistic model on what was measured while it lasted and at its edges. The weights come from
//! `tests/clips/pauses/calibrate.py`, fitted on labelled clips of every kind, among them clips made so bad that a part
//! of what is found on them is wrong.

use serde::{Deserialize, Serialize};

/// What speaks for and against a pause.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Mean share of the picture that agreed on the movement, 0 to 1.
    pub agreement: f64,
    /// Mean share of the picture that shows enough to be measured, 0 to 1.
    pub texture: f64,
    /// Mean speed over the speed of rest.
    pub speed: f64,
    /// Length over that of the shortest pause, seconds.
    pub spare_s: f64,
    /// Greatest speed shortly before it over the speed of leaving, at most [`Evidence::EDGE_MAX`].
    pub arrival: f64,
    /// The same shortly after it.
    pub departure: f64,
}

/// Weights of [`Evidence::features`], after the constant; `calibrate.py` prints them.
const WEIGHTS: [f64; 7] = [-0.95, 1.08, 0.97, -0.93, 1.71, 0.86, -0.78];

impl Evidence {
    /// Speed at an edge beyond which more says nothing more; also where the edge wasn't seen.
    pub const EDGE_MAX: f64 = 12.0;

    /// What the weights are for: one number each, about 0 to 1, not linear where the measure isn't.
    fn features(&self) -> [f64; 6] {
        let edge = |speed: f64| speed.clamp(0.0, Self::EDGE_MAX).ln_1p();
        [
            self.agreement,
            self.texture.clamp(0.0, 1.0).sqrt(),
            self.speed.clamp(0.0, 1.5),
            (self.spare_s.max(0.0) / 0.5).min(4.0).ln_1p(),
            edge(self.arrival),
            edge(self.departure),
        ]
    }

    /// Chance that it is a pause, 0.01 to 0.99: that it overlaps a labelled one by half of their union. On clips left out
    /// of the fit 0.95 was right 96 times of 100; what is wrong for a reason that none of this shows (a grid in front of
    /// the lens) is not told from what is right.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        let sum: f64 = self.features().iter().zip(&WEIGHTS[1..]).map(|(x, w)| x * w).sum();
        let chance = 1.0 / (1.0 + (-(WEIGHTS[0] + sum)).exp());
        if chance.is_finite() { chance.clamp(0.01, 0.99) } else { 0.01 }
    }
}
