//! What a bench is told on its command line.

/// The number after an option.
pub(crate) fn option(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments
        .nth(1)
        .map_or(default, |number| number.parse().unwrap())
}
