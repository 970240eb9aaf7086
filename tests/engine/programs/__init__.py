"""Tiny Pulumi programs, and what runs them, for the tests of the stand-ins."""
