"""How traffic moves from one version of a model to another: plan of steps, analysis, promoter."""
