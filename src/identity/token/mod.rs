//! Tokens: which algorithms exist.

mod algorithm;

pub use algorithm::{Algorithm, UnknownAlgorithm};
