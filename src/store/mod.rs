//! What survives, and what nodes share: the only place that knows SQL.

pub mod memory;
