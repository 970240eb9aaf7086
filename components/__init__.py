"""Reusable components: pure specs, names and manifests, and the resources that wire them."""
