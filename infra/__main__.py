"""Entry point of `pulumi preview` and `pulumi up`."""

import pulumi

from infra import program, settings

for name, value in program.build(settings.load()).items():
    pulumi.export(name, value)
