//! Series of built bars: what is built is what ticks and shorter bars give, whatever becomes of
//! them, and a series never claims more. Answers are what the same rule makes of what is stored.

mod at_once;
mod imported;
mod life;
mod model;
mod newest;
mod properties;
mod quotes;
mod service;
mod world;
