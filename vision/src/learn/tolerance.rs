//! How unlike a good picture may be: at each place, and altogether.
//!
//! Everything here is found on good pictures that were compared with a memory made without them. Where good pictures
//! differ (the needle of a gauge, a weld's ripples), more difference is nothing; on a plain surface, less of it is
//! something. The allowance is spread over the surroundings, for pictures by hand lie a little differently each time:
//! where nothing lies where it lay, it becomes the same everywhere and does no harm.

/// Share of good pictures that may be called bad, as far as theirs are spread like those seen.
pub(super) const FALSE_ALARMS: f64 = 0.01;
/// The upper 1 % of the normal distribution.
const QUANTILE: f64 = 2.326_347_874;
/// Cells to all sides from which a place takes the greatest allowance, and over which that is averaged then.
const REACH: usize = 3;
const SOFTENED: usize = 3;
/// By how much the threshold is farther than that: pictures to come are never quite those that were seen.
const MARGIN: f64 = 1.1;
/// No allowance is smaller: pictures that do not differ at all leave nothing to divide by.
const LEAST: f32 = 1e-3;

/// The allowance at a place has this share of what is allowed on average.
const EVERYWHERE: f32 = 0.5;

/// A map of cells, row by row.
pub(super) type Map = Vec<f32>;

/// Between which means the maps of good pictures lie.
///
/// A picture that is blurred or full of noise is a little unlike everywhere: maps are divided by their mean. But only
/// within this range, for one that is unlike all over must not be divided back into order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Means {
    pub(super) least: f32,
    pub(super) most: f32,
}

impl Means {
    /// Of these maps.
    pub(super) fn of<'a>(maps: impl Iterator<Item = &'a Map>) -> Self {
        let nothing = Self { least: f32::INFINITY, most: LEAST };
        let all = maps
            .map(mean)
            .fold(nothing, |Self { least, most }, mean| Self { least: least.min(mean), most: most.max(mean) });
        Self { least: all.least.clamp(LEAST, all.most), most: all.most }
    }

    /// The map in units of its mean.
    pub(super) fn divide(self, map: &Map) -> Map {
        let unit = mean(map).clamp(self.least, self.most);
        map.iter().map(|value| value / unit).collect()
    }
}

fn mean(map: &Map) -> f32 {
    map.iter().sum::<f32>() / map.len().max(1) as f32
}

/// The allowance at each cell: the greatest value that any of the maps has around there, and half the mean of those
/// everywhere.
pub(super) fn allowance<'a>(maps: impl Iterator<Item = &'a Map>, columns: usize) -> Map {
    let mut most = Map::new();
    for map in maps {
        most.resize(map.len(), 0.0);
        most.iter_mut().zip(map).for_each(|(most, value)| *most = most.max(*value));
    }
    let everywhere = mean(&most) * EVERYWHERE;
    let around = over(&most, columns, REACH, |values| values.fold(0.0, f32::max));
    let soft = over(&around, columns, SOFTENED, |values| {
        let (mut sum, mut count) = (0.0, 0.0f32);
        values.for_each(|value| {
            sum += value;
            count += 1.0;
        });
        sum / count.max(1.0)
    });
    soft.iter().map(|value| (value + everywhere).max(LEAST)).collect()
}

/// What `fold` makes of the cells within `reach` of each cell, columns first and then rows.
fn over(map: &Map, columns: usize, reach: usize, fold: impl Fn(&mut dyn Iterator<Item = f32>) -> f32) -> Map {
    let rows = map.len() / columns.max(1);
    let mut across = Map::with_capacity(map.len());
    for row in map.chunks_exact(columns.max(1)) {
        let near = |at: usize| at.saturating_sub(reach)..(at + reach + 1).min(columns);
        across.extend((0..columns).map(|at| fold(&mut row[near(at)].iter().copied())));
    }
    let mut down = Map::with_capacity(map.len());
    for row in 0..rows {
        let near = row.saturating_sub(reach)..(row + reach + 1).min(rows);
        down.extend((0..columns).map(|column| fold(&mut near.clone().map(|row| across[row * columns + column]))));
    }
    down
}

/// The score of a picture: how many times the allowance its most unlike place is.
pub(super) fn score(map: &Map, allowance: &Map) -> f64 {
    map.iter().zip(allowance).map(|(value, allowed)| f64::from(value / allowed)).fold(0.0, f64::max)
}

/// The score from which a picture is called bad: a tenth above those of all good ones, and above what one in a hundred
/// reaches. The logarithms of scores are taken to be normal, and how little a few pictures tell of their mean
/// and spread is allowed for (prediction interval of Student's distribution).
pub(super) fn threshold(scores: &[f64]) -> f64 {
    let count = scores.len() as f64;
    let most = scores.iter().copied().fold(0.0, f64::max);
    if scores.len() < 2 || most <= 0.0 {
        return most.max(f64::from(LEAST)) * MARGIN;
    }
    let logs: Vec<f64> = scores.iter().map(|score| score.max(most * 1e-3).ln()).collect();
    let mean = logs.iter().sum::<f64>() / count;
    let spread = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let bound = (mean + student(count - 1.0) * spread * (1.0 + 1.0 / count).sqrt()).exp();
    bound.max(most) * MARGIN
}

/// The upper 1 % of Student's distribution (Abramowitz and Stegun 26.7.5, three terms; within 4 % from 4 degrees on).
fn student(degrees: f64) -> f64 {
    let z = QUANTILE;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / degrees + second / degrees.powi(2)
}

/// How many of the good pictures would be called bad by a threshold that was found without them.
pub(super) fn false_alarms(scores: &[f64]) -> usize {
    let alarms = |index: &usize| {
        let others: Vec<f64> =
            scores.iter().enumerate().filter(|(at, _)| at != index).map(|(_, score)| *score).collect();
        scores[*index] >= threshold(&others)
    };
    (0..scores.len()).filter(alarms).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_quantiles() {
        for (degrees, quantile) in [(4.0, 3.747), (9.0, 2.821), (30.0, 2.457), (1000.0, 2.330)] {
            assert!((student(degrees) / quantile - 1.0).abs() < 0.04, "{degrees}: {}", student(degrees));
        }
    }

    #[test]
    fn the_threshold_is_above_all_and_farther_for_few() {
        let few = threshold(&[0.9, 1.0, 1.1, 1.0, 1.05]);
        let many: Vec<f64> = (0..50).map(|index| 0.9 + f64::from(index % 5) * 0.05).collect();
        let many = threshold(&many);
        assert!(few > many && many > 1.1 && few < 2.0, "{few} and {many}");
        let most = threshold(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0]);
        assert!(most > 9.0, "{most}");
        assert!(threshold(&[0.0; 5]) > 0.0);
    }

    #[test]
    fn one_that_stands_out_is_counted() {
        let mut scores = vec![1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.1];
        assert_eq!(false_alarms(&scores), 0);
        scores.push(5.0);
        assert_eq!(false_alarms(&scores), 1);
    }

    #[test]
    fn a_little_all_over_is_divided_away_and_no_more_than_that() {
        let means = Means::of([vec![1.0; 4], vec![2.0; 4]].iter());
        assert_eq!(means, Means { least: 1.0, most: 2.0 });
        assert_eq!(means.divide(&vec![1.5, 1.5, 1.5, 1.5]), [1.0; 4]);
        assert_eq!(means.divide(&vec![8.0; 4]), [4.0; 4]);
        assert_eq!(means.divide(&vec![0.5; 4]), [0.5; 4]);
        let nothing = Means::of([vec![0.0; 4]].iter());
        assert!(nothing.divide(&vec![0.0; 4]).iter().all(|value| *value == 0.0));
    }

    #[test]
    fn more_is_allowed_where_good_ones_differ_and_around() {
        let (columns, rows) = (30, 20);
        let mut wild = vec![1.0; columns * rows];
        wild[10 * columns + 10] = 8.0;
        let calm = vec![0.5; columns * rows];
        let allowed = allowance([&calm, &wild].into_iter(), columns);
        assert_eq!(allowed.len(), wild.len());
        let at = |x: usize, y: usize| allowed[y * columns + x];
        assert!(at(10, 10) > 8.0 && at(12, 9) > 5.0 && at(28, 18) < 1.7, "{} {} {}", at(10, 10), at(12, 9), at(28, 18));
        assert!(score(&wild, &allowed) < 1.0);
        assert!(score(&vec![1.8; columns * rows], &allowed) > 1.0, "what is nothing there is something elsewhere");
        assert!(allowance([&vec![0.0; 600]].into_iter(), columns).iter().all(|&value| value > 0.0));
    }
}
