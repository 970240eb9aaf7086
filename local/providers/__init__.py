"""Stand-ins for the Pulumi plugins that cannot be downloaded; docs/stand-ins.md says what they prove."""
