"""What EKS offers, read once from `data/eks.yaml`: support of versions, pinned add-ons, node images. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from planner.catalogue import InstanceType
from planner.data_files import data_file
from planner.finding import Finding, error, warning

ImageName = Literal["al2023", "bottlerocket"]
NOTICE_DAYS = 60
"""How long before the end of standard support a warning comes, as does AWS' own notice (endoflife.date)."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Support(_Row):
    """Until when AWS supports a Kubernetes version."""

    standard_until: date
    extended_until: date
    """Extended support costs more per hour (`data/aws_prices.yaml`)."""


class Addon(_Row):
    """What is known of a core add-on beside its version."""

    before_nodes: bool
    """Nodes need it to become ready; the others need nodes to become ready."""
    service_account: str | None
    """Account in kube-system its role is bound to; None = it calls no AWS API."""


class Image(_Row):
    """A node image of EKS."""

    gpu_ami_type: str
    cpu_ami_type: str
    gpu_driver: int
    """Major version of the NVIDIA driver."""
    gpu_from_version: str
    """First Kubernetes version whose GPU image has that driver."""
    device_plugin_inside: bool
    """The image brings NVIDIA's device plugin; a second one from a chart must not run there."""
    root_device: str
    """Device whose volume holds containers and pods' volumes."""
    releases: Mapping[str, str]
    """Pinned release by Kubernetes version."""
    karpenter_alias: str | None
    """The same release as Karpenter names it."""


@cache
def support_calendar() -> Mapping[str, Support]:
    """Support by Kubernetes version; a version that is not in here never was or is gone."""
    table = _data()["support"]
    rows = {name: dict(zip(table["columns"], row, strict=True)) for name, row in table["rows"].items()}
    return MappingProxyType({name: Support(**row) for name, row in rows.items()})


@cache
def core_addons() -> Mapping[str, Addon]:
    """Add-ons every cluster gets, by name, in the order they are made."""
    return MappingProxyType({name: Addon(**row) for name, row in _data()["addons"]["names"].items()})


def addon_versions(kubernetes_version: str) -> Mapping[str, str]:
    """Pinned version by add-on; empty where none are pinned for that Kubernetes version."""
    return MappingProxyType(_data()["addons"]["versions"].get(kubernetes_version, {}))


@cache
def images() -> Mapping[str, Image]:
    """Node images by the name a stack file uses."""
    return MappingProxyType({name: Image(**row) for name, row in _data()["images"]["rows"].items()})


def support_note(kubernetes_version: str, today: date) -> str:
    """One sentence on a known version: which support it has, and for how many days."""
    support = support_calendar()[kubernetes_version]
    for kind, until in (("standard", support.standard_until), ("extended", support.extended_until)):
        if today <= until:
            return f"{kind} support of {kubernetes_version} ends {until}, in {(until - today).days} days"
    return f"support of {kubernetes_version} ended {support.extended_until}"


def support_findings(kubernetes_version: str, today: date, path: str) -> Iterator[Finding]:
    """A version out of support is an error; out of standard support, or soon to be, a warning."""
    support = support_calendar().get(kubernetes_version)
    current = [name for name, row in support_calendar().items() if today <= row.standard_until]
    advice = f"in standard support: {', '.join(current)}"
    if support is None:
        yield error(path, f"{kubernetes_version!r} is not a version EKS supports", advice)
        return
    note = support_note(kubernetes_version, today)
    if today > support.extended_until:
        yield error(path, note, advice)
    elif today > support.standard_until:
        yield warning(path, f"is out of standard support and costs more; {note}", advice)
    elif (support.standard_until - today).days < NOTICE_DAYS:
        yield warning(path, note, f"plan the upgrade; {advice}")


def image_gpu_problem(image: str, instance: InstanceType, kubernetes_version: str) -> tuple[str, str] | None:
    """What is wrong with a GPU type on an image, and what would be right; None where they fit."""
    data, row = _data(), images()[image]
    needed = data["chip_drivers"]["rows"].get(instance.chip.name if instance.chip else "", 0)
    if needed > row.gpu_driver:
        have = f"needs NVIDIA driver {needed}, and the {image} image carries {row.gpu_driver}"
        return f"a {instance.name} {have}", "use another type; custom images are not supported"
    if family(instance.name) not in data["images"]["gpu_families"]:
        return f"the {image} image does not support {family(instance.name)}", "use another type"
    if version_key(kubernetes_version) < version_key(row.gpu_from_version):
        message = (
            f"the {image} image has driver {row.gpu_driver} from Kubernetes {row.gpu_from_version} on only"
        )
        return message, "use another image or a newer Kubernetes version"
    return None


def family(instance_type: str) -> str:
    """The family of an instance type: `g6e` of `g6e.12xlarge`."""
    return instance_type.split(".")[0]


def version_key(version: str) -> tuple[int, ...]:
    """A dotted version as numbers, to compare by."""
    return tuple(int(part) for part in version.split("."))


def _data() -> dict[str, Any]:
    data: dict[str, Any] = data_file("eks.yaml")
    return data
