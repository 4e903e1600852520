"""What a finished run holds: the neurons' records, the manifest, its RO-Crate, and whether it reproduces."""
