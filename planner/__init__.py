"""Pure arithmetic over data files: what fits, how long, how much. Imports nothing of ours."""
