//! Keyset pages: a page names the keys from which the next and the previous one continue.

/// From where, and in which direction, a page continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor<K> {
    /// The rows after this key, in the order of the query.
    After(K),
    /// The rows before this key, in the order of the query: one page back.
    Before(K),
}

/// Some rows of an ordered query, and where to go on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T, K> {
    /// The rows, in the order of the query.
    pub rows: Vec<T>,
    /// Continues after the last row; `None` at the end.
    pub next: Option<Cursor<K>>,
    /// Continues before the first row; `None` at the beginning.
    pub previous: Option<Cursor<K>>,
}

impl<T, K> Page<T, K> {
    /// Makes a page of what a query with `limit + 1` returned: the row too many only tells that
    /// there is more. For [`Cursor::Before`] the query ran backwards.
    pub(crate) fn of(
        mut rows: Vec<T>,
        limit: usize,
        cursor: Option<&Cursor<K>>,
        key: impl Fn(&T) -> K,
    ) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let backwards = matches!(cursor, Some(Cursor::Before(_)));
        if backwards {
            rows.reverse();
        }
        let (has_next, has_previous) = if backwards {
            (true, more)
        } else {
            (more, cursor.is_some())
        };
        let next = rows
            .last()
            .filter(|_| has_next)
            .map(|row| Cursor::After(key(row)));
        let previous = rows
            .first()
            .filter(|_| has_previous)
            .map(|row| Cursor::Before(key(row)));
        Self {
            rows,
            next,
            previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_has_no_previous_and_the_last_no_next() {
        let first = Page::of(vec![1, 2, 3], 2, None, |n| *n);
        assert_eq!(first.rows, [1, 2]);
        assert_eq!((first.next, first.previous), (Some(Cursor::After(2)), None));
        let last = Page::of(vec![3], 2, first.next.as_ref(), |n| *n);
        assert_eq!((last.next, last.previous), (None, Some(Cursor::Before(3))));
    }

    #[test]
    fn a_page_back_is_in_the_order_of_the_query() {
        let back = Page::of(vec![2, 1], 2, Some(&Cursor::Before(3)), |n| *n);
        assert_eq!(back.rows, [1, 2]);
        assert_eq!((back.next, back.previous), (Some(Cursor::After(2)), None));
    }
}
