//! Alerts fire exactly once, in the transaction of the tick: through the public interface, on both
//! backends, against a plain re-implementation of the rules.

mod callbacks;
mod changes;
mod feeds;
mod outcomes;
mod place;
mod plain;
mod rules;
mod writers;
