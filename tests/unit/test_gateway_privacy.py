"""What clients are told of failures: the engine's words, no address, and one status for `not now`."""

import pytest

from components.gateway.gw_privacy import shown_status, shown_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("litellm.BadRequestError: Hosted_vllmException - temperature is 9", "temperature is 9"),
        (
            "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: "
            'Hosted_vllmException - {"error": {"message": "at most 4096 tokens", "code": 400}}\nmodel=c.',
            "at most 4096 tokens",
        ),
        ('OpenAIException - {"detail": "unknown form"}', '{"detail": "unknown form"}'),
        ("first line\nLiteLLM: model group 'a' failed", "first line"),
        ("see http://chat-v1/v1/models for more", "see [address] for more"),
        ("Cannot connect to host chat-v1:80 ssl:default", "Cannot connect to host [address] ssl:default"),
        ("[Connect call failed ('10.100.7.1', 80)]", "[Connect call failed ('[address]', 80)]"),
        ("redis.llmserve.svc.cluster.local:6379 is away", "[address] is away"),
        ("temperature 1.5 and top_p 0.25 stay", "temperature 1.5 and top_p 0.25 stay"),
    ],
)
def test_clients_see_the_engines_own_words_and_no_address(text: str, shown: str) -> None:
    assert shown_text(text) == shown


class RouterRateLimitError(Exception):
    """Named as LiteLLM's: it has no version left to ask."""

    status_code = 429


class CodeError(Exception):
    """As LiteLLM's ProxyException, which carries a code in words or digits."""

    def __init__(self, code: object) -> None:
        super().__init__()
        self.code = code


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RouterRateLimitError(), 503),
        (CodeError("429"), 429),
        (CodeError(400), 400),
        (CodeError("context_length"), 503),
        (CodeError(500), 503),
        (CodeError(502), 503),
        (CodeError(504), 504),
        (ValueError(), 503),
    ],
)
def test_what_is_not_the_clients_fault_is_503(error: Exception, status: int) -> None:
    assert shown_status(error) == status
