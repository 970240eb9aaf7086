"""Who answers for Pulumi's plugins is found out once, quickly, and remembered."""

import os
import time
from pathlib import Path

import pytest

from local import plugins
from local.layout import Layout
from local.plugins import AWS, KUBERNETES, LANGUAGE, Plugins

BOTH = Plugins(official_language=False, official_kubernetes=False)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A checkout whose pulumi is whatever `pulumi_does` writes, and a PATH without plugins."""
    made = Layout(tmp_path)
    made.programs.mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return made


def pulumi_does(layout: Layout, script: str) -> None:
    path = layout.programs / "pulumi"
    path.write_text(f'#!/bin/sh\necho call >> "{layout.root}/calls"\n{script}\n')
    path.chmod(0o755)


def calls(layout: Layout) -> int:
    return len((layout.root / "calls").read_text().splitlines())


def test_a_refused_download_means_stand_ins_and_is_not_tried_again(layout: Layout) -> None:
    pulumi_does(layout, "exit 1")

    assert plugins.decide(layout, dict(os.environ)) == BOTH
    assert plugins.decide(layout, dict(os.environ)) == BOTH
    assert calls(layout) == 1


def test_make_plugins_tries_again(layout: Layout) -> None:
    pulumi_does(layout, "exit 1")
    plugins.decide(layout, dict(os.environ))
    pulumi_does(layout, "exit 0")

    assert plugins.decide(layout, dict(os.environ), retry=True).official_kubernetes
    assert calls(layout) == 2


def test_a_download_that_brings_nothing_is_given_up_and_ended(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "SILENCE_SECONDS", 0.3)
    pulumi_does(layout, f"echo $$ > {layout.root}/pid; exec sleep 60")

    started = time.monotonic()
    decided = plugins.decide(layout, dict(os.environ))

    assert decided == BOTH
    assert time.monotonic() - started < 3
    assert not Path(f"/proc/{(layout.root / 'pid').read_text().strip()}").exists()


def test_a_slow_download_that_grows_is_waited_for(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "SILENCE_SECONDS", 0.4)
    pulumi_does(layout, 'for i in 1 2 3 4; do echo bytes >> "$TMPDIR/plugin"; sleep 0.2; done')

    assert plugins.decide(layout, dict(os.environ)).official_kubernetes


def test_a_language_host_beside_pulumi_is_the_official_one(layout: Layout) -> None:
    pulumi_does(layout, "exit 0")
    (layout.programs / LANGUAGE).write_text("")

    assert plugins.decide(layout, dict(os.environ)).official_language


def test_the_aws_provider_is_looked_for_when_a_stack_needs_it_and_remembered(layout: Layout) -> None:
    pulumi_does(layout, "exit 1")
    environment = dict(os.environ)

    assert plugins.decide(layout, environment).official_aws is None
    assert plugins.decide(layout, environment, with_aws=True).official_aws is False
    assert plugins.decide(layout, environment, with_aws=True).stand_ins == [LANGUAGE, KUBERNETES, AWS]
    assert calls(layout) == 2
    assert plugins.decide(layout, environment).stand_ins == [LANGUAGE, KUBERNETES]
    pulumi_does(layout, "exit 0")
    assert plugins.decide(layout, environment, retry=True, with_aws=True).official_aws


def test_one_line_says_who_answers() -> None:
    assert str(Plugins(True, True)) == "plugins: the official language host and kubernetes provider"
    assert str(Plugins(True, True, True)).endswith("language host, kubernetes provider and aws provider")
    said = str(Plugins(official_language=True, official_kubernetes=False))
    assert said.startswith(f"plugins: stand-ins of this repository answer for {KUBERNETES}, which could not")
    assert "`make plugins` tries again" in said
