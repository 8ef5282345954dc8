"""`make bench`: figures as ratios to something else that is measured in the same run, since machines are shared."""
