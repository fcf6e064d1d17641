//! What is told of calls and of the pool, as `/metrics` tells it: observations in, Prometheus' text out.

#[cfg(test)]
mod document;
#[cfg(test)]
mod exposition;
#[cfg(test)]
mod numbers;
