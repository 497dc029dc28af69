//! One movement of the camera out of the displacements of many patches.
//!
//! Each patch votes with at most one voice, split over the directions in which its texture can tell anything. The
//! movement (shift, rotation, zoom) is the weighted least squares solution, iterated with Geman-McClure weights from a wide to a
//! narrow tolerance, so that what moves on its own (a hand, a fan) loses its voice.

/// A displacement with what it is worth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vote {
    /// Number of the patch.
    pub(super) index: usize,
    /// Part of its trust that counts, 0 to 1.
    pub(super) voice: f32,
    /// Centre of the patch from the centre of the picture, px.
    pub(super) x: f32,
    pub(super) y: f32,
    /// Displacement, px.
    pub(super) dx: f32,
    pub(super) dy: f32,
    /// Structure tensor over its largest eigenvalue.
    pub(super) ixx: f32,
    pub(super) ixy: f32,
    pub(super) iyy: f32,
    /// Variance of the displacement along the best seen direction, px².
    pub(super) error2: f32,
    /// Mean square of the difference that is left, contrast².
    pub(super) residual: f32,
}

/// Standard error at which a vote counts half, px.
const GOOD: f32 = 0.12;

/// Variances that a vote may be off.
const SLACK: f32 = 4.0;
/// Radius over which displacements of patches without a counterpart scatter, px.
const SPREAD: f32 = 2.4;
/// How much better than at random the best movement does where there is none: it was picked to agree.
const CHANCE: f32 = 2.0;

/// Voice of a displacement with the variance `error2`, 0 to 1.
pub(super) fn trust(error2: f32) -> f32 {
    GOOD * GOOD / (GOOD * GOOD + error2)
}

impl Vote {
    fn trust(&self) -> f32 {
        self.voice * trust(self.error2)
    }

    /// Square of the displacement (`x`, `y`) as far as the patch can see it, px².
    pub(super) fn across(&self, x: f32, y: f32) -> f32 {
        (self.ixx * x * x + 2.0 * self.ixy * x * y + self.iyy * y * y).max(0.0)
    }

    /// Whether a displacement that is off by (`x`, `y`) is as good as right.
    pub(super) fn fits(&self, x: f32, y: f32) -> bool {
        self.across(x, y) < 0.5 * self.tolerance2(TOLERANCES[4])
    }

    /// Square of how far it may be off, px²: a vote that can't be exact may be off by what it can't know.
    fn tolerance2(&self, tolerance: f32) -> f32 {
        tolerance * tolerance + SLACK * self.error2
    }
}

/// A small similarity: a point at `p` from the centre moves by `t + zoom * p + turn * J p`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Similarity {
    pub(super) tx: f32,
    pub(super) ty: f32,
    /// Relative growth.
    pub(super) zoom: f32,
    /// Radians.
    pub(super) turn: f32,
}

impl Similarity {
    /// This and `other` one after the other, for small movements.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            tx: self.tx + other.tx,
            ty: self.ty + other.ty,
            zoom: self.zoom + other.zoom,
            turn: self.turn + other.turn,
        }
    }

    /// What leads from `other` to this, for small movements.
    pub(super) fn minus(&self, other: &Self) -> Self {
        Self {
            tx: self.tx - other.tx,
            ty: self.ty - other.ty,
            zoom: self.zoom - other.zoom,
            turn: self.turn - other.turn,
        }
    }

    /// Displacement of the point (`x`, `y`) from the centre.
    pub(super) fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.tx + self.zoom * x - self.turn * y, self.ty + self.zoom * y + self.turn * x)
    }
}

/// The fit and how many agree.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fit {
    pub(super) model: Similarity,
    /// Trust of the votes that agree, in votes.
    pub(super) agreeing: f32,
    /// Trust of all votes, in votes.
    pub(super) total: f32,
    /// Trust that would agree if the displacements were drawn at random, in votes.
    pub(super) chance: f32,
    /// Mean square difference left where votes agree, contrast².
    pub(super) residual: f32,
    /// It is the part of the picture that stands still while another one moves.
    pub(super) stands: bool,
}

impl Fit {
    /// Agreement, 0 to 1: among those who can see anything, and less when all of them together see little.
    pub(super) fn share(&self) -> f32 {
        const LITTLE: f32 = 0.1;
        ((self.agreeing - self.chance) / (self.total - self.chance + LITTLE)).max(0.0)
    }
}

/// Tolerances of the rounds, px of the small picture.
const TOLERANCES: [f32; 5] = [1.6, 0.9, 0.5, 0.35, 0.35];

/// Weight from which on a vote agrees.
const AGREES: f32 = 0.25;

/// Fits from `start` on.
pub(super) fn fit(votes: &[Vote], start: Similarity, radius: f32) -> Fit {
    iterate(votes, start, radius, &TOLERANCES)
}

/// Fits those of `votes` that `model` leaves over: from the middle of their displacements on.
pub(super) fn fit_rest(votes: &[Vote], model: &Similarity, radius: f32) -> Option<Fit> {
    let rest = votes.iter().filter(|v| v.voice > 0.0 && weight(v, model, TOLERANCES[4]) < AGREES);
    let (mut dx, mut dy): (Vec<_>, Vec<_>) = rest.map(|v| (v.dx, v.dy)).unzip();
    let middle = |d: &mut Vec<f32>| {
        let at = d.len() / 2;
        (at > 0).then(|| *d.select_nth_unstable_by(at, f32::total_cmp).1)
    };
    let start = Similarity { tx: middle(&mut dx)?, ty: middle(&mut dy)?, ..Similarity::default() };
    Some(fit(votes, start, radius))
}

/// Fits only what lies close to `start`.
pub(super) fn fit_near(votes: &[Vote], start: Similarity, radius: f32) -> Fit {
    iterate(votes, start, radius, &TOLERANCES[2..])
}

fn iterate(votes: &[Vote], start: Similarity, radius: f32, tolerances: &[f32]) -> Fit {
    let mut model = start;
    for &tolerance in tolerances {
        model = solve(votes, model, tolerance, radius);
    }
    let (mut agreeing, mut total, mut chance, mut residual) = (0.0, 0.0, 0.0, 0.0);
    for vote in votes.iter().filter(|vote| vote.voice > 0.0) {
        let agrees = vote.trust() * weight(vote, &model, TOLERANCES[4]);
        agreeing += agrees;
        residual += agrees * vote.residual;
        total += vote.trust();
        let tolerance2 = vote.tolerance2(TOLERANCES[4]);
        chance += vote.trust() * CHANCE * tolerance2 / (tolerance2 + SPREAD * SPREAD);
    }
    Fit { model, agreeing, total, chance, residual: residual / agreeing.max(1e-9), stands: false }
}

/// Trust of those of `votes` that agree with `model`, in votes.
pub(super) fn agreeing<'a>(votes: impl Iterator<Item = &'a Vote>, model: &Similarity) -> f32 {
    votes.map(|vote| vote.trust() * weight(vote, model, TOLERANCES[4])).sum()
}

fn weight(vote: &Vote, model: &Similarity, tolerance: f32) -> f32 {
    let (mx, my) = model.at(vote.x, vote.y);
    let (ex, ey) = (vote.dx - mx, vote.dy - my);
    let q = 1.0 / (1.0 + vote.across(ex, ey) / vote.tolerance2(tolerance));
    q * q
}

fn solve(votes: &[Vote], model: Similarity, tolerance: f32, radius: f32) -> Similarity {
    // Unknowns scaled to px at the typical distance from the centre: tx, ty, zoom * radius, turn * radius.
    let mut a = [[0.0f32; 4]; 4];
    let mut b = [0.0f32; 4];
    for vote in votes.iter().filter(|vote| vote.voice > 0.0) {
        let w = vote.trust() * weight(vote, &model, tolerance);
        let (x, y) = (vote.x / radius, vote.y / radius);
        let rows = [[1.0, 0.0, x, -y], [0.0, 1.0, y, x]];
        let info = [[vote.ixx, vote.ixy], [vote.ixy, vote.iyy]];
        let d = [vote.dx, vote.dy];
        for p in 0..2 {
            for q in 0..2 {
                let wi = w * info[p][q];
                for i in 0..4 {
                    for j in 0..4 {
                        a[i][j] += wi * rows[p][i] * rows[q][j];
                    }
                    b[i] += wi * rows[p][i] * d[q];
                }
            }
        }
    }
    // A faint pull to the previous round where nobody has a say.
    let before = [model.tx, model.ty, model.zoom * radius, model.turn * radius];
    for i in 0..4 {
        let pull = if i < 2 { 0.01 } else { 0.05 };
        a[i][i] += pull;
        b[i] += pull * before[i];
    }
    let [tx, ty, zoom, turn] = cholesky_solve(a, b).unwrap_or(before);
    Similarity { tx, ty, zoom: zoom / radius, turn: turn / radius }
}

/// Solves `a x = b` for a symmetric positive definite `a`.
fn cholesky_solve(a: [[f32; 4]; 4], b: [f32; 4]) -> Option<[f32; 4]> {
    let mut l = [[0.0f32; 4]; 4];
    for i in 0..4 {
        for j in 0..=i {
            let dot: f32 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            if i == j {
                let d = a[i][i] - dot;
                if !(d > 1e-9 && d.is_finite()) {
                    return None;
                }
                l[i][i] = d.sqrt();
            } else {
                l[i][j] = (a[i][j] - dot) / l[j][j];
            }
        }
    }
    let mut y = [0.0f32; 4];
    for i in 0..4 {
        let dot: f32 = (0..i).map(|k| l[i][k] * y[k]).sum();
        y[i] = (b[i] - dot) / l[i][i];
    }
    let mut x = [0.0f32; 4];
    for i in (0..4).rev() {
        let dot: f32 = (i + 1..4).map(|k| l[k][i] * x[k]).sum();
        x[i] = (y[i] - dot) / l[i][i];
    }
    x.iter().all(|v| v.is_finite()).then_some(x)
}
