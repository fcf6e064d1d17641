# Everything that gates a change.
test *arguments:
    tests/run {{arguments}}

# A recorded call through the edge, on this machine.
demo:
    cargo run --release -- demo

# 200 calls, alternating with a bare relay.
steady:
    cargo run --release -p loadtest -- run --plan loadtest/plans/steady.toml

# The API documentation, with the design documents in it.
docs:
    cargo doc --release --workspace --no-deps --open
