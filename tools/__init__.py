"""Pinned Go programs for the laptop and the script that finds or builds them."""
