//! Placeholder while the ceremony is written.
