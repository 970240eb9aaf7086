"""Takes a release from its phase on record to its end: moves weights, watches, goes on or back.

Every phase may be repeated, so a release that was killed anywhere is run again from its record. The order is
always: say on record what comes, change the stack file, apply it, see that the gateway does it.
"""

from collections.abc import Callable, Sequence

from infra.stackfile.releases import ReleaseSettings
from release import stack_file
from release.errors import ReleaseError
from release.gates import Gate
from release.journal import Event, Journal, Phase, Release, now
from release.watch import Watch
from release.world import BusyError, World

GATEWAY_SECONDS = 300
"""Longest wait for the gateway to have the applied weights; pulumi has waited for its roll before."""
POLL_SECONDS = 1
Tell = Callable[[str], None]


class HeldError(ReleaseError):
    """The release stands where it is and waits for a person."""


class Promoter:
    """One release of one stack. The caller holds the journal's lock."""

    def __init__(
        self,
        world: World,
        journal: Journal,
        release: Release,
        settings: ReleaseSettings,
        tell: Tell,
        *,
        gates: Sequence[Gate] = (),
    ) -> None:
        self.world, self.journal, self.release = world, journal, release
        self.settings, self._tell, self._gates = settings, tell, gates

    def run(self, until: Phase = "ended") -> Release:
        """Go on to the end, or to the first phase that is `until`.

        Raises HeldError where a person must decide, BusyError where somebody else is at work, ReleaseError
        where something else stands in the way; run again afterwards.
        """
        work: dict[Phase, Callable[[], None]] = {
            "deploying": self._deploy,
            "moving": self._move,
            "watching": self._watch,
            "returning": self._return,
        }
        while self.release.phase not in ("ended", until):
            work[self.release.phase]()
        return self.release

    def take_up(self) -> None:
        """Accept a stack file that was changed beside this model's weights since the last run.

        Raises ReleaseError if the weights themselves were changed.
        """
        text = stack_file.read(self.world.stack_file)
        self._require_weights(text)
        if self._as_left(text) != self.release.digest:
            self.release.digest = self._as_left(text)
            self._note("the stack file was changed elsewhere meanwhile; it is taken as it is")

    def go_back(self, reason: str) -> None:
        """Return to the weights of the beginning, whatever the file says now; `run` does it."""
        text = stack_file.read(self.world.stack_file)
        self.release.weights = stack_file.weights(text, self.release.model)
        self.release.digest = stack_file.digest(text)
        self._enter("returning", reason)

    def _deploy(self) -> None:
        """Apply the file as it is: the new version must be Ready before any traffic moves."""
        release = self.release
        self._require_own_text(stack_file.read(self.world.stack_file))
        self._note("deploying")
        self._tell(f"deploying: {release.new} must be Ready before it gets traffic")
        try:
            self.world.apply()
            if problems := self.world.not_ready(release.new):
                raise ReleaseError("; ".join(problems))
            for gate in self._gates:
                if problem := gate(self.world):
                    raise ReleaseError(problem)
        except BusyError:
            raise
        except ReleaseError as reason:
            self._end("abandoned", f"{release.new} is not fit for traffic: {reason}")
            return
        self._enter("moving")

    def _move(self) -> None:
        release = self.release
        weight, _ = release.steps[release.step]
        self._tell(f"step {release.step + 1} of {len(release.steps)}: {weight} % to {release.new}")
        if problems := self.world.not_ready(release.new):
            self._enter("returning", f"{release.new} is not Ready any more: {'; '.join(problems)}")
            return
        try:
            self._set(self._wanted())
            self.world.apply()
            self._wait_for_gateway()
        except BusyError:
            raise
        except ReleaseError as problem:
            self._require_own_text(stack_file.read(self.world.stack_file))
            self._enter("returning", str(problem))
            return
        self._enter("watching")

    def _watch(self) -> None:
        release = self.release
        watch = Watch(self.world, self.settings, release)
        for look in watch.looks():
            release.looks.append(look)
            self.journal.save(release)
            self._tell(f"{look.weight} %, {look.elapsed_seconds:.0f} s: {look.verdict}: {look.reason}")
            self._require_own_text(stack_file.read(self.world.stack_file))
            if look.verdict == "wait":
                continue
            self._judged(look.verdict, look.reason, watch)
            return

    def _judged(self, verdict: str, reason: str, watch: Watch) -> None:
        release = self.release
        if release.strategy == "ab":
            self._end("compared", f"{verdict}: {reason}")
        elif verdict == "advance":
            if (counted := watch.counted()) is not None:
                release.previous.append(counted)
            if release.step + 1 == len(release.steps):
                self._end("promoted", reason)
            else:
                release.step += 1
                self._enter("moving")
        elif verdict == "abort" or self.settings.on_inconclusive == "rollback":
            self._enter("returning", reason)
        else:
            self._note(f"held: {reason}")
            raise HeldError(
                f"{release.model}: undecided, traffic stays at {_said(release.weights)}: {reason}; "
                f"`llmserve promote {release.model} {release.new}` watches on, `llmserve rollback "
                f"{release.model}` goes back"
            )

    def _return(self) -> None:
        release = self.release
        self._tell(f"going back to {_said(release.before)}: {release.reason}")
        if problems := self.world.not_ready(release.old):
            raise ReleaseError(
                f"{release.model}: cannot go back, {release.old} is not Ready ({'; '.join(problems)}); "
                f"traffic stays at {_said(release.weights)}; mend it and run this again"
            )
        self._set(release.before)
        failed: ReleaseError | None = None
        try:
            self.world.apply()
        except BusyError:
            raise
        except ReleaseError as problem:  # the bad version may be what fails; the gateway is what counts
            failed = problem
            self._note(f"pulumi up failed on the way back: {problem}")
        self._wait_for_gateway()
        words = f"{release.reason}; pulumi up failed on the way back: {failed}" if failed else release.reason
        self._end("rolled_back" if release.strategy == "rollback" else "returned", words)

    def _set(self, weights: dict[str, int]) -> None:
        """Write weights into the stack file, unless they are there."""
        path, release = self.world.stack_file, self.release
        text = stack_file.read(path)
        self._require_own_text(text)
        changed = stack_file.set_weights(text, release.model, weights)
        if changed != text:
            stack_file.write(path, changed)
        release.weights, release.digest = dict(weights), stack_file.digest(changed)
        self._note(f"stack file: {_said(weights)}")

    def _wanted(self) -> dict[str, int]:
        """The weights of the step that is under way."""
        release = self.release
        weight, _ = release.steps[release.step]
        return {**dict.fromkeys(release.before, 0), release.old: 100 - weight, release.new: weight}

    def _wait_for_gateway(self) -> None:
        wanted = {version: share for version, share in self.release.weights.items() if share}
        until = self.world.monotonic() + GATEWAY_SECONDS
        while (found := self.world.gateway_weights()) != wanted:
            if self.world.monotonic() > until:
                shown = "still rolls" if found is None else f"has {_said(found)}"
                raise ReleaseError(f"the gateway {shown}, not {_said(wanted)}, after {GATEWAY_SECONDS} s")
            self.world.sleep(POLL_SECONDS)

    def _as_left(self, text: str) -> str:
        """Digest of the text with this release's weights: the rest of the file counts."""
        return stack_file.digest(stack_file.set_weights(text, self.release.model, self.release.weights))

    def _require_weights(self, text: str) -> None:
        release = self.release
        found = stack_file.weights(text, release.model)
        # a run that was killed between writing the file and saying so on record
        coming = release.before if release.phase == "returning" else release.weights
        if release.phase == "moving":
            coming = self._wanted()
        if found not in (release.weights, coming):
            raise ReleaseError(
                f"models.{release.model}.traffic: is {_said(found)}, this release left it at "
                f"{_said(release.weights)}; put it back, or `llmserve rollback {release.model}`"
            )

    def _require_own_text(self, text: str) -> None:
        self._require_weights(text)
        if self._as_left(text) != self.release.digest:
            raise ReleaseError(
                f"{self.world.stack_file.name}: was changed by somebody else while this release runs; look "
                f"at it, then `llmserve promote {self.release.model} {self.release.new}` again, or "
                f"`llmserve rollback {self.release.model}`"
            )

    def _enter(self, phase: Phase, reason: str = "") -> None:
        self.release.phase = phase
        self.release.reason = reason or self.release.reason
        self._note(f"{phase}: {reason}" if reason else phase)

    def _end(self, outcome: str, reason: str) -> None:
        self.release.outcome, self.release.reason = outcome, reason  # type: ignore[assignment]
        self._enter("ended", f"{outcome}: {reason}")
        self.release.reason = reason
        self.journal.save(self.release)

    def _note(self, what: str) -> None:
        self.release.events.append(Event(at=now(), what=what))
        self.journal.save(self.release)


def _said(weights: dict[str, int]) -> str:
    return ", ".join(f"{version} {share} %" for version, share in weights.items())
