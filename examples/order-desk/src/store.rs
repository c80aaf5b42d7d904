//! Reads and writes of orders: functions of a connection, so that a caller can put several into one
//! transaction. Each query is checked for both backends, where it stands in `on_backend!`.

use diesel::prelude::*;
use tickbase::database::{BackendConnection, Invalidation};
use tickbase::domain::{Condition, RuleType, Symbol};
use tickbase::models::{NewAlertRule, NewDeletion};
use tickbase::repository::{alert_rule, deletion, instrument};
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{alert_logs, instrument_state, instruments};
use tickbase::{Error, Result, Timestamp, on_backend};

use crate::models::{NewOrder, Order, OrderRequest, PricedOrder};
use crate::tables::orders;

/// Stores an order together with the rule that watches its price.
pub fn place(
    conn: &mut BackendConnection<'_>,
    request: &OrderRequest,
    now: Timestamp,
) -> Result<Order> {
    let condition = match request.quantity {
        0 => {
            let remedy = "give a positive one to buy, a negative one to sell";
            return Err(Error::invalid("quantity", "it is zero", remedy));
        }
        1.. => Condition::Above,
        _ => Condition::Below,
    };
    let symbol = Symbol::new(&request.symbol)?;
    let instrument = instrument::by_symbol(conn, &symbol)?
        .ok_or_else(|| Error::not_found(format!("instrument {symbol}"), "add it first"))?;

    let mut rule = NewAlertRule::new(instrument.id, RuleType::Threshold);
    rule.condition = Some(condition);
    rule.threshold = Some(request.stop_price.clone());
    let rule = alert_rule::insert(conn, &rule, now)?;

    // What tickbase caches of its own tables stays good.
    let _said = conn.invalidates(Invalidation::Nothing);
    let insert = orders::table.insert().values(NewOrder {
        instrument_id: instrument.id,
        rule_id: rule.id,
        quantity: request.quantity,
        stop_price: &request.stop_price,
        placed_at: now,
    });
    Ok(on_backend!(conn, |c| {
        insert.returning(Order::as_returning()).get_result(c)
    })?)
}

/// The newest orders of active instruments, with the latest price of each.
pub fn list(conn: &mut BackendConnection<'_>, limit: i64) -> Result<Vec<PricedOrder>> {
    let query = orders::table
        .active()
        .inner_join(instruments::table.active_on(orders::instrument_id.eq(instruments::id)))
        .inner_join(
            instrument_state::table.on(instrument_state::instrument_id.eq(orders::instrument_id)),
        )
        .order(orders::id.desc())
        .limit(limit);
    Ok(on_backend!(conn, |c| {
        query
            .select((
                Order::as_select(),
                instruments::symbol,
                instrument_state::last_price,
            ))
            .load(c)
    })?)
}

/// Moves an order that still waits to the trash, and its rule with it.
pub fn cancel(conn: &mut BackendConnection<'_>, id: i64, now: Timestamp) -> Result<()> {
    let waiting = orders::table
        .active()
        .find(id)
        .filter(orders::triggered_at.is_null());
    let new = NewDeletion::of(format!("cancel order {id}"));
    deletion::batch(conn, &new, now, |conn, batch| {
        let said = conn.invalidates(Invalidation::Nothing);
        // The moment of the batch: what goes together is found together.
        let cancel = diesel::update(waiting).set(orders::deleted_at.eq(batch.deleted_at()));
        let rule: Option<Option<i64>> = on_backend!(conn, |c| {
            cancel.returning(orders::rule_id).get_result(c).optional()
        })?;
        drop(said);
        let remedy = "it was cancelled, or has triggered";
        let rule = rule.ok_or_else(|| Error::not_found(format!("waiting order {id}"), remedy))?;
        alert_rule::soft_delete(conn, rule.as_slice(), batch)
    })?;
    Ok(())
}

/// Marks the waiting orders whose rule has fired, by its first alert, and removes their rules.
/// Returns how many there were.
pub fn trigger(conn: &mut BackendConnection<'_>, now: Timestamp) -> Result<usize> {
    // In ON a NULL finds nothing, as a value that is in no alert.
    let of_rule = alert_logs::rule_id.eq(orders::rule_id.assume_not_null());
    let query = orders::table
        .active()
        .inner_join(alert_logs::table.active_on(of_rule))
        .filter(orders::triggered_at.is_null())
        .order(alert_logs::id)
        .select((
            orders::id,
            alert_logs::rule_id,
            alert_logs::timestamp,
            alert_logs::trigger_value,
        ));
    let fired: Vec<(i64, i64, Timestamp, f64)> = on_backend!(conn, |c| query.load(c))?;

    let mut triggered = 0;
    for (order, rule, at, price) in fired {
        // Another process, or an earlier alert of the rule, may have been here.
        let waiting = orders::table
            .active()
            .find(order)
            .filter(orders::triggered_at.is_null());
        let said = conn.invalidates(Invalidation::Nothing);
        let mark = diesel::update(waiting)
            .set((orders::triggered_at.eq(at), orders::trigger_price.eq(price)));
        triggered += on_backend!(conn, |c| mark.execute(c))?;
        drop(said);
        let new = NewDeletion::of(format!("order {order} was triggered"));
        deletion::batch(conn, &new, now, |conn, batch| {
            alert_rule::soft_delete(conn, &[rule], batch)
        })?;
    }
    Ok(triggered)
}
