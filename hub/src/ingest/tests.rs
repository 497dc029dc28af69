//! Messages at the desk, without a broker.
