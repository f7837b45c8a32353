//! A list of fixed capacity that knows whether it overflowed.

/// At most `N` items; more are counted as an overflow.
pub(crate) struct List<T, const N: usize> {
    items: [T; N],
    len: usize,
    overflowed: bool,
}

impl<T: Copy, const N: usize> List<T, N> {
    pub(crate) fn new(filler: T) -> Self {
        Self {
            items: [filler; N],
            len: 0,
            overflowed: false,
        }
    }

    pub(crate) fn push(&mut self, item: T) {
        match self.items.get_mut(self.len) {
            Some(slot) => {
                *slot = item;
                self.len += 1;
            }
            None => self.overflowed = true,
        }
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        self.items.get_mut(self.len.checked_sub(1)?)
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        self.items.get(..self.len).unwrap_or(&[])
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        self.items.get_mut(..self.len).unwrap_or(&mut [])
    }

    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }
}

/// The last `N` items pushed.
pub(crate) struct Recent<T, const N: usize> {
    items: [T; N],
    pushed: usize,
}

impl<T: Copy, const N: usize> Recent<T, N> {
    pub(crate) fn new(filler: T) -> Self {
        Self {
            items: [filler; N],
            pushed: 0,
        }
    }

    pub(crate) fn push(&mut self, item: T) {
        if let Some(slot) = self.items.get_mut(self.pushed % N) {
            *slot = item;
        }
        self.pushed += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().take(self.pushed)
    }
}
