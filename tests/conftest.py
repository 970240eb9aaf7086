"""What holds for all tests."""

from hypothesis import settings

# How long an example takes depends on what else the machine does; times are measured elsewhere.
settings.register_profile("llmserve", deadline=None)
settings.load_profile("llmserve")
