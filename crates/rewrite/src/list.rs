//! A list of fixed capacity that knows whether it overflowed.

/// At most `N` items; that there were more is remembered.
#[derive(Clone)]
pub(crate) struct List<T, const N: usize> {
    items: [T; N],
    len: usize,
    overflowed: bool,
}

impl<T: Copy, const N: usize> List<T, N> {
    pub(crate) fn new(filler: T) -> Self {
        Self { items: [filler; N], len: 0, overflowed: false }
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

    /// Takes the last item away.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        self.items.get(self.len).copied()
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.overflowed = false;
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

    pub(crate) fn is_full(&self) -> bool {
        self.len == N
    }

    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Drops the items that do not satisfy `keep`.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let mut kept = 0;
        for index in 0..self.len {
            if let Some(item) = self.items.get(index).copied().filter(&keep)
                && let Some(slot) = self.items.get_mut(kept)
            {
                *slot = item;
                kept += 1;
            }
        }
        self.len = kept;
    }
}

impl<T: Copy + PartialEq, const N: usize> List<T, N> {
    /// Adds an item unless it is there; whether it was added.
    pub(crate) fn insert(&mut self, item: T) -> bool {
        let is_new = !self.as_slice().contains(&item) && !self.is_full();
        if is_new {
            self.push(item);
        }
        is_new
    }

    /// Leaves one of equal items.
    pub(crate) fn drop_copies(&mut self) {
        let mut kept = 0;
        for index in 0..self.len {
            let (before, rest) = self.items.split_at_mut(index);
            if let Some(item) = rest.first()
                && let Some(before) = before.get(..kept)
                && !before.contains(item)
            {
                self.items[kept.min(index)] = *item;
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// The same, but remembers that there was no room.
    pub(crate) fn insert_or_overflow(&mut self, item: T) {
        if !self.as_slice().contains(&item) {
            self.push(item);
        }
    }
}

/// The last `N` items pushed.
pub(crate) struct Recent<T, const N: usize> {
    items: [T; N],
    pushed: usize,
}

impl<T: Copy, const N: usize> Recent<T, N> {
    pub(crate) fn new(filler: T) -> Self {
        Self { items: [filler; N], pushed: 0 }
    }

    pub(crate) fn push(&mut self, item: T) {
        if let Some(slot) = self.items.get_mut(self.pushed % N) {
            *slot = item;
        }
        self.pushed = self.pushed.wrapping_add(1);
    }

    pub(crate) fn clear(&mut self) {
        self.pushed = 0;
    }

    /// The items, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = T> {
        (0..self.pushed.min(N))
            .filter_map(|age| self.items.get((self.pushed - 1 - age) % N).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn the_first_of_equal_items_remains_at_its_place_in_order() {
        let mut list = List::<u64, 8>::new(0);
        for item in [3, 3, 0, 5, 3, 0, 7] {
            list.push(item);
        }
        list.drop_copies();
        assert_eq!(list.as_slice(), [3, 0, 5, 7]);
        assert_eq!(list.pop(), Some(7));
        list.clear();
        list.drop_copies();
        assert_eq!(list.as_slice(), [0; 0]);
        assert_eq!(list.pop(), None);
    }
}
