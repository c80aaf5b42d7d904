//! Who needs a new connection, and what is on its way: so that r2d2, which orders another one at
//! each wake-up of a waiting caller, opens just what is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Callers that need a new connection, and the connections on their way to them.
#[derive(Debug, Default)]
pub(super) struct Needs {
    callers: AtomicUsize,
    orders: AtomicUsize,
    hollow: AtomicUsize,
}

/// A caller that needs a new connection, while it lives.
pub(super) struct CallerNeed<'a>(&'a Needs);

/// A connection on its way, while it lives.
pub(super) struct ConnectionOrder(Arc<Needs>);

impl Needs {
    pub(super) fn need(&self) -> CallerNeed<'_> {
        self.callers.fetch_add(1, Ordering::AcqRel);
        CallerNeed(self)
    }

    /// The right to open a connection, if there is a caller without one on its way.
    pub(super) fn order(self: &Arc<Self>) -> Option<ConnectionOrder> {
        let callers = self.callers.load(Ordering::Acquire);
        let more = |orders: usize| (orders < callers).then_some(orders + 1);
        let ordered = self
            .orders
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        ordered.ok().map(|_| ConnectionOrder(Arc::clone(self)))
    }
}

impl Drop for CallerNeed<'_> {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for ConnectionOrder {
    fn drop(&mut self) {
        self.0.orders.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An order that nobody was behind: it stands among r2d2's idle connections until it is looked at.
pub(super) struct Hollow(Arc<Needs>);

impl Needs {
    pub(super) fn hollow(self: &Arc<Self>) -> Hollow {
        self.hollow.fetch_add(1, Ordering::AcqRel);
        Hollow(Arc::clone(self))
    }

    /// Hollow connections that r2d2 holds.
    pub(super) fn hollows(&self) -> usize {
        self.hollow.load(Ordering::Acquire)
    }
}

impl Drop for Hollow {
    fn drop(&mut self) {
        self.0.hollow.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_orders_as_callers_and_no_more() {
        let needs = Arc::new(Needs::default());
        assert!(needs.order().is_none());
        let caller = needs.need();
        let order = needs.order();
        assert!(order.is_some() && needs.order().is_none());
        drop(order);
        assert!(needs.order().is_some());
        drop(caller);
        assert!(needs.order().is_none());
    }
}
