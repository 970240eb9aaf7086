"""The programs the laptop needs: where each comes from, which version, which flags. Pure."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int, int]


class ToolsError(Exception):
    """What stopped the build and what to do about it, in words for the user."""


def same_minor(found: Version, pinned: Version) -> bool:
    """Accept any patch of the pinned minor version."""
    return found[:2] == pinned[:2]


def within_one_minor(found: Version, pinned: Version) -> bool:
    """Accept one minor version up or down, which is kubectl's supported skew."""
    return found[0] == pinned[0] and abs(found[1] - pinned[1]) <= 1


def not_older(found: Version, pinned: Version) -> bool:
    """Accept the pinned version and any newer one of the same major version."""
    return found[0] == pinned[0] and found >= pinned


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program: the Go package that makes it and which versions found on PATH will do."""

    name: str
    family: str
    package: str
    module: str
    """Module whose version in go.mod is the program's version."""
    version_args: tuple[str, ...] = ("--version",)
    suits: Callable[[Version, Version], bool] = same_minor
    tags: str = ""
    stamps: tuple[str, ...] = ()
    """Linker variables, with {version}, {major} and {minor} filled in from go.mod."""
    cold_seconds: int
    """Build in table order on 2 cores; parts of one family share their compiled packages."""


def _kubernetes(name: str, seconds: int) -> Program:
    """A program of the Kubernetes repository, which stamps its version in two packages."""
    return Program(
        name=name,
        family="kube",
        package=f"k8s.io/kubernetes/cmd/{name}",
        module="k8s.io/kubernetes",
        version_args=("version", "--client") if name == "kubectl" else ("--version",),
        suits=within_one_minor if name == "kubectl" else same_minor,
        stamps=tuple(
            f"{package}.{variable}"
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for variable in (
                "gitVersion=v{version}",
                "gitMajor={major}",
                "gitMinor={minor}",
                "gitTreeState=clean",
            )
        ),
        cold_seconds=seconds,
    )


def _kwok(name: str, seconds: int) -> Program:
    package = f"sigs.k8s.io/kwok/cmd/{name}"
    module = "sigs.k8s.io/kwok"
    return Program(name=name, family="kwok", package=package, module=module, cold_seconds=seconds)


def prometheus_suits(found: Version, pinned: Version) -> bool:
    """Accept the pinned release and newer ones of its major version: module v0.314.0 is release 3.14.0."""
    return not_older(found, (pinned[1] // 100, pinned[1] % 100, pinned[2]))


def _prometheus(name: str, seconds: int) -> Program:
    module = "github.com/prometheus/prometheus"
    return Program(
        name=name,
        family="prometheus",
        package=f"{module}/cmd/{name}",
        module=module,
        suits=prometheus_suits,
        tags="remove_all_sd,enable_kubernetes_sd",
        cold_seconds=seconds,
    )


_ETCD = "go.etcd.io/etcd/server/v3"
PROGRAMS = (
    Program(name="etcd", family="kube", package=_ETCD, module=_ETCD, cold_seconds=35),
    _kubernetes("kube-apiserver", 110),
    _kubernetes("kube-controller-manager", 35),
    _kubernetes("kube-scheduler", 15),
    _kubernetes("kubectl", 25),
    _kwok("kwok", 45),
    _kwok("kwokctl", 15),
    Program(
        name="pulumi",
        family="pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        module="github.com/pulumi/pulumi/pkg/v3",
        version_args=("version",),
        suits=not_older,
        tags="osusergo,grpcnotrace",
        stamps=("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}",),
        cold_seconds=150,
    ),
    _prometheus("prometheus", 80),
    _prometheus("promtool", 15),
)


def parse_version(text: str) -> Version | None:
    """Return the first x.y.z in `text`, or None."""
    match = re.search(r"\b[a-z]*(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def pinned_version(go_mod: str, module: str) -> Version:
    """Return the version of `module` in the text of a go.mod."""
    match = re.search(rf"^\s*(?:require )?{re.escape(module)} v(\S+)", go_mod, re.MULTILINE)
    version = parse_version(match[1]) if match else None
    if version is None:
        raise ToolsError(f"go.mod does not pin {module}; restore it from version control")
    return version


def go_minimum(go_mod: str) -> Version:
    """Return the oldest Go that may build the module: its `go` line."""
    match = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    return parse_version(match[1] if match else "") or (0, 0, 0)


def text(version: Version) -> str:
    """Write a version as x.y.z."""
    return ".".join(map(str, version))


def build_command(program: Program, pinned: Version, output: Path, go: str = "go") -> list[str]:
    """Return the `go build` that makes `program`, the same on every machine."""
    fields = {"version": text(pinned), "major": pinned[0], "minor": pinned[1]}
    linker = " ".join(["-s -w", *(f"-X {stamp.format(**fields)}" for stamp in program.stamps)])
    tags = ["-tags", program.tags] if program.tags else []
    return [go, "build", "-trimpath", *tags, "-ldflags", linker, "-o", str(output), program.package]


def build_key(program: Program, go_mod: str, go_sum: str) -> str:
    """Return a hash of all that decides the built program: go.mod, go.sum and the flags."""
    command = build_command(program, pinned_version(go_mod, program.module), Path(program.name))
    return hashlib.sha256("\0".join([go_mod, go_sum, *command]).encode()).hexdigest()[:16]
