"""Run folders, and inference with the networks in them."""
