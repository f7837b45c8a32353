//! Interleaved rounds, and what is read off them.

use anyhow::{Result, bail};

/// Figures of one subject, one for each round.
pub struct Series(Vec<f64>);

impl Series {
    /// One figure of each round.
    pub fn of<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> Series {
        rounds.iter().map(figure).collect()
    }

    /// Their median.
    pub fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// The median of what a round took more than the same round of `base`.
    pub fn added(&self, base: &Series) -> f64 {
        median(self.0.iter().zip(&base.0).map(|(own, base)| own - base).collect())
    }

    /// The median of how many times the same round of `base` a round took.
    pub fn ratio(&self, base: &Series) -> f64 {
        median(self.0.iter().zip(&base.0).map(|(own, base)| own / base).collect())
    }
}

/// What subjects are compared with: the native run before and the one after, in
/// each round. The first and the last subject are those.
pub fn native<T>(results: &[Result<Vec<T>>], figure: impl Fn(&T) -> f64) -> Result<Series> {
    combine(results, |before, after| f64::midpoint(figure(before), figure(after)))
}

/// The same for figures that noise can only make larger: the smaller of both.
pub fn smallest_native<T>(
    results: &[Result<Vec<T>>],
    figure: impl Fn(&T) -> f64,
) -> Result<Series> {
    combine(results, |before, after| figure(before).min(figure(after)))
}

fn combine<T>(results: &[Result<Vec<T>>], figure: impl Fn(&T, &T) -> f64) -> Result<Series> {
    match results {
        [Ok(before), .., Ok(after)] => {
            Ok(before.iter().zip(after).map(|(before, after)| figure(before, after)).collect())
        }
        _ => bail!("the program does not run natively"),
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Series {
        Series(figures.into_iter().collect())
    }
}

/// Measures all subjects in turn, `rounds` times. A subject that fails once is
/// not tried again; its error takes the place of its figures.
pub fn interleave<S, T>(
    rounds: usize,
    subjects: &[S],
    measure: impl Fn(&S) -> Result<T>,
) -> Vec<Result<Vec<T>>> {
    let mut results: Vec<Result<Vec<T>>> = subjects.iter().map(|_| Ok(Vec::new())).collect();
    for _ in 0..rounds {
        for (subject, result) in subjects.iter().zip(&mut results) {
            if let Ok(figures) = result {
                match measure(subject) {
                    Ok(figure) => figures.push(figure),
                    Err(error) => *result = Err(error),
                }
            }
        }
    }
    results
}

/// The middle one, 0 of none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_taken_within_a_round() {
        let base: Series = [10.0, 100.0, 10.0].into_iter().collect();
        let own: Series = [11.0, 101.0, 90.0].into_iter().collect();
        assert_eq!((own.added(&base), own.median()), (1.0, 90.0));
        assert_eq!(own.ratio(&base), 1.1);
    }

    #[test]
    fn a_subject_that_failed_is_not_tried_again() {
        let tries = std::cell::Cell::new(0);
        let results = interleave(5, &[true, false], |works| {
            tries.set(tries.get() + 1);
            if *works { Ok(1) } else { anyhow::bail!("broken") }
        });
        assert_eq!(tries.get(), 6);
        assert_eq!(results[0].as_ref().map(Vec::len).ok(), Some(5));
        assert!(results[1].is_err());
    }
}
