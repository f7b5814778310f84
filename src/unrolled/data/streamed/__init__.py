"""Data larger than memory: read in pieces, kept on disk as what the network takes."""
