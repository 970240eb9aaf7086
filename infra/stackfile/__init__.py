"""The shape of a stack file's `llmserve:settings`: frozen models, unknown keys forbidden, units in names.

A field that is None takes the number of the chosen `preset` (infra/presets.yaml)
or is derived (infra/resolve.py).
"""
