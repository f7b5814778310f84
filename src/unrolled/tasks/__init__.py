"""Learning problems, one file each: splits, preprocessing, metrics, baselines and predictions."""
