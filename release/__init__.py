"""How traffic moves from one version of a model to another, and who decides that it may."""
