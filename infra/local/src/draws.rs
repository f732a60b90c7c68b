//! Chance that can be had again.

/// Numbers that look random and are the same for the same seed.
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    /// - `seed`: two of the same give the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 on, below the bound, which is at most 2³¹.
    ///
    /// # Panics
    ///
    /// If the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The multiplier and increment of Knuth's MMIX; the upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }

    /// One of several things.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
