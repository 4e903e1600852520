"""How every file is written and read: contracts, tables, atomic replacement, digests."""
