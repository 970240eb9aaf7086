"""Stand-in for pulumi-resource-aws: AWS in a folder; node groups become nodes of the local control plane."""
