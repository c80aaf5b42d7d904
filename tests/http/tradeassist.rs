//! The contract of TradeAssist, replayed on both backends: what was recorded of the original, asked
//! of tickbase.

mod analytics;
mod examples;
mod leniency;
mod realtime;
mod replay;
mod shape;
