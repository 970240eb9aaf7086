"""`make preview`: what `pulumi up` would do to a stack, with nothing of it changed."""

import os
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from local import aws_credentials, cluster, stack_config, up
from local.engine import STACK, Engine
from local.layout import Layout

UNPROVEN = (
    "Not proven by it: IAM permissions, quotas, GPU capacity, that images and add-ons exist, AWS's own "
    "defaults, and Kubernetes objects, since the cluster is not there yet (docs/stand-ins.md)"
)


def preview(layout: Layout, stack: str, wanted: up.Wanted, console: Console) -> None:
    """Show what `pulumi up` would do to `stack`; changes nothing of it.

    The `local` stack is compared with what runs here. Another stack is compared with its own state where
    PULUMI_BACKEND_URL names that; without it the preview is a rehearsal of a new stack. Raises LocalError if
    that backend is used, the stack makes its own cluster, and there are no AWS credentials.
    """
    up.build_tools(layout)
    place = stack_config.load_settings(layout.stack_file(stack))["cluster"]
    makes_cluster = place.get("kind") == "eks"
    if stack != STACK and "PULUMI_BACKEND_URL" in os.environ:
        if makes_cluster:
            aws_credentials.require()
        console.print("  your own backend, secrets, kubeconfig and credentials are used", highlight=False)
        environment = os.environ | {"PATH": os.pathsep.join([str(layout.programs), os.environ["PATH"]])}
        up.run_pulumi(Engine(layout, environment), "preview", stack=stack)
        return
    if not makes_cluster:
        cluster.start(layout.state, layout.programs, None)
    engine, _ = up.open_engine(layout, console, with_aws=makes_cluster)
    if stack != STACK:
        engine = rehearsal(engine, stack, place, console)
    up.mend(engine, stack, console)
    config = stack_config.prepare(engine, stack, wanted.secret_keys, wanted.own_passwords)
    up.run_pulumi(engine, "preview", "--config-file", str(config), stack=stack)


def rehearsal(engine: Engine, stack: str, place: Mapping[str, Any], console: Console) -> Engine:
    """Say what a preview of a stack without its backend shows; return the engine it needs."""
    layout, what = engine.layout, f"PULUMI_BACKEND_URL is not set: a rehearsal of a new stack {stack}"
    if place.get("kind") == "eks":
        told = f"{what}, with made-up secrets, in {place['region']}. {UNPROVEN}"
    else:
        told = f"{what}, with made-up secrets, on the laptop's control plane in place of {place['context']}"
        path = layout.state / f"kubeconfig-{stack}"
        cluster.write_kubeconfig(layout.state, place["context"], path)
        engine = Engine(layout, engine.environment | {"KUBECONFIG": str(path)})
    console.print(f"  {told}", highlight=False, soft_wrap=True)
    return engine
