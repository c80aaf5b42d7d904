//! Eigenvalues of a symmetric matrix, as that of correlations is.

use super::missing::{Measured, Missing, finite};

/// Rounds of rotations: it takes fewer than ten, and ends in any case.
const SWEEPS_MAX: usize = 60;

/// The eigenvalues of a symmetric matrix, the largest first, by the cyclic method of Jacobi: each
/// rotation takes a pair of elements off the diagonal to zero, until none is left.
///
/// G. H. Golub, C. F. Van Loan, *Matrix Computations* (2013), section 8.5.
///
/// # Errors
/// [`Missing::NotFinite`] for an element that is no number.
pub fn eigenvalues(symmetric: &[Vec<f64>]) -> Measured<Vec<f64>> {
    for value in symmetric.iter().flatten() {
        finite(*value)?;
    }
    let mut matrix = symmetric.to_vec();
    let norm: f64 = matrix.iter().flatten().map(|value| value * value).sum();
    for _ in 0..SWEEPS_MAX {
        if off_diagonal(&matrix) <= norm * f64::EPSILON * f64::EPSILON {
            break;
        }
        for p in 0..matrix.len() {
            for q in p + 1..matrix.len() {
                rotate(&mut matrix, p, q);
            }
        }
    }
    let mut values: Vec<f64> = (0..matrix.len()).map(|at| matrix[at][at]).collect();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    Ok(values)
}

/// The condition number of a matrix with these eigenvalues: the largest over the smallest. The larger
/// it is, the less of the last digits of what is computed with the matrix is true.
///
/// Golub and Van Loan, section 2.6.
///
/// # Errors
/// [`Missing::NoVariance`] where the smallest is not above what rounding leaves of zero: one series
/// follows from the others, and the matrix has no inverse.
pub fn condition_number(eigenvalues: &[f64]) -> Measured<f64> {
    let largest = eigenvalues.iter().copied().fold(0.0, f64::max);
    let smallest = eigenvalues.iter().copied().fold(f64::INFINITY, f64::min);
    let noise = largest * f64::EPSILON * eigenvalues.len() as f64;
    if smallest <= noise {
        return Err(Missing::NoVariance);
    }
    finite(largest / smallest)
}

fn off_diagonal(matrix: &[Vec<f64>]) -> f64 {
    let rows = matrix.iter().enumerate();
    rows.map(|(at, row)| row[at + 1..].iter().map(|it| it * it).sum::<f64>())
        .sum()
}

/// Takes the elements (p, q) and (q, p) to zero; p is below q.
fn rotate(matrix: &mut [Vec<f64>], p: usize, q: usize) {
    let element = matrix[p][q];
    if element == 0.0 {
        return;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * element);
    // The smaller of the two angles: the method converges with it.
    let tangent = 1.0_f64.copysign(theta) / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    for row in matrix.iter_mut() {
        let (a, b) = (row[p], row[q]);
        row[p] = cosine * a - sine * b;
        row[q] = sine * a + cosine * b;
    }
    let (upper, lower) = matrix.split_at_mut(q);
    for (first, second) in upper[p].iter_mut().zip(&mut lower[0]) {
        let (a, b) = (*first, *second);
        *first = cosine * a - sine * b;
        *second = sine * a + cosine * b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagonal_is_its_own_and_a_singular_matrix_has_no_condition() {
        let diagonal = vec![vec![2.0, 0.0], vec![0.0, 5.0]];
        assert_eq!(eigenvalues(&diagonal), Ok(vec![5.0, 2.0]));
        assert_eq!(condition_number(&[5.0, 2.0]), Ok(2.5));
        let twice = vec![vec![1.0; 3]; 3];
        let values = eigenvalues(&twice).unwrap();
        assert!((values[0] - 3.0).abs() < 1e-14, "{values:?}");
        assert_eq!(condition_number(&values), Err(Missing::NoVariance));
        let no_number = vec![vec![1.0, f64::NAN], vec![f64::NAN, 1.0]];
        assert_eq!(eigenvalues(&no_number), Err(Missing::NotFinite));
    }
}
