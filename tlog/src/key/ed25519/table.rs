//! Multiples of a point, so that multiplying it by a number needs additions and few doublings.
//!
//! The number is written with digits of `BITS` bits, each between −half and half − 1 of what they can express, so that a subtraction does for half of
//! the multiples. Of every `STEP`-th place there are the multiples for all digits: 1·2^p·P, 2·2^p·P, … The places between use those of the
//! place below, and are doubled afterwards, all of one remainder together: `STEP` − 1 times `BITS` doublings for a whole multiplication.

use curve25519_dalek::Scalar;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::traits::Identity;

/// The bits of a scalar's encoding. Scalars are less than 2^253, so that their last digit leaves nothing to carry.
const SCALAR_BITS: usize = 256;

/// The most digits that a scalar has here.
const MAX_DIGITS: usize = SCALAR_BITS / 4;

/// The multiples of a point, row by row.
pub(super) struct Table<const BITS: usize, const STEP: usize>(Box<[EdwardsPoint]>);

impl<const BITS: usize, const STEP: usize> Table<BITS, STEP> {
    /// The multiples for one place.
    const ROW: usize = 1 << (BITS - 1);

    const DIGITS: usize = SCALAR_BITS / BITS;

    const ROWS: usize = Self::DIGITS / STEP;

    /// The memory that a table takes.
    pub(super) const BYTES: usize = Self::ROWS * Self::ROW * size_of::<EdwardsPoint>();

    /// The table of `point`.
    pub(super) fn new(point: &EdwardsPoint) -> Self {
        const { assert!(8 % BITS == 0 && BITS >= 4 && Self::DIGITS.is_multiple_of(STEP), "digits do not cross bytes, and rows come out even") };
        let mut multiples = Vec::with_capacity(Self::ROWS * Self::ROW);
        let mut base = *point;
        for _ in 0..Self::ROWS {
            multiples.extend(std::iter::successors(Some(base), |last| Some(last + base)).take(Self::ROW));
            base = double(base, BITS * STEP);
        }
        Table(multiples.into())
    }

    /// The point multiplied by `scalar`.
    pub(super) fn multiply(&self, scalar: &Scalar) -> EdwardsPoint {
        let digits = Self::digits(scalar);
        let mut sum = EdwardsPoint::identity();
        for remainder in (0..STEP).rev() {
            if remainder + 1 < STEP {
                sum = double(sum, BITS);
            }
            for (row, digit) in self.0.chunks_exact(Self::ROW).zip(digits[remainder..].iter().step_by(STEP)) {
                let multiple = |of: u16| &row[usize::from(of) - 1];
                match digit.cmp(&0) {
                    std::cmp::Ordering::Greater => sum += multiple(digit.unsigned_abs()),
                    std::cmp::Ordering::Less => sum -= multiple(digit.unsigned_abs()),
                    std::cmp::Ordering::Equal => {}
                }
            }
        }
        sum
    }

    /// The digits of `scalar`, the lowest first; those after [`Self::DIGITS`] are zero.
    fn digits(scalar: &Scalar) -> [i16; MAX_DIGITS] {
        let (bytes, mut digits, mut carry) = (scalar.as_bytes(), [0; MAX_DIGITS], 0);
        for (place, digit) in digits.iter_mut().take(Self::DIGITS).enumerate() {
            let bit = place * BITS;
            let value = ((i16::from(bytes[bit / 8]) >> (bit % 8)) & ((1 << BITS) - 1)) + carry;
            carry = i16::from(value >= 1 << (BITS - 1));
            *digit = value - (carry << BITS);
        }
        digits
    }
}

fn double(point: EdwardsPoint, times: usize) -> EdwardsPoint {
    (0..times).fold(point, |point, _| point + point)
}
