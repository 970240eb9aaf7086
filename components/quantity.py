"""Kubernetes quantities as the API server stores them, so that a refresh sees no difference. Pure."""

_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi")
_DECIMAL = ("", "k", "M", "G", "T", "P")


def cpu(millicores: int) -> str:
    """Cores: `6` rather than `6000m`."""
    return number(millicores / 1000)


def mebibytes(count: int) -> str:
    """Memory or disk: `24Gi` rather than `24576Mi`."""
    power = 1
    while count % 1024 == 0 and count > 0 and power < len(_BINARY) - 1:
        count //= 1024
        power += 1
    return f"{count}{_BINARY[power]}"


def gibibytes(count: int) -> str:
    """Memory or disk: `1Ti` rather than `1024Gi`."""
    return mebibytes(count * 1024)


def number(value: float) -> str:
    """A plain number, exact to a thousandth: `600m`, `5`, `2k`."""
    thousandths = round(value * 1000)
    if thousandths % 1000:
        return f"{thousandths}m"
    count, power = thousandths // 1000, 0
    while count % 1000 == 0 and count > 0 and power < len(_DECIMAL) - 1:
        count //= 1000
        power += 1
    return f"{count}{_DECIMAL[power]}"
