"""The Pulumi program: reads the stack file, resolves it to specs and wires the components."""
