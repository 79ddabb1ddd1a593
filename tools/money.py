"""Amounts as whole minor units, so that limits add up without rounding."""

from decimal import Decimal, InvalidOperation
from typing import Any, Literal

# ISO 4217: currencies whose minor unit is not a hundredth.
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = dict.fromkeys(_NONE.split(), 0) | dict.fromkeys(_THREE.split(), 3)


def is_code(currency: str) -> bool:
    """Whether this is a currency code, and not the name of a column that holds one."""
    return len(currency) == 3 and currency.isalpha() and currency.isupper()  # noqa: PLR2004 - ISO 4217


def digits(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217)."""
    return _DIGITS.get(currency, 2)


def shown(amount: int, currency: str) -> str:
    """Minor units as people write them: `50.00 EUR`, `5000 JPY`."""
    places = digits(currency)
    return f"{Decimal(amount).scaleb(-places):.{places}f} {currency}".rstrip()


def minor(value: Any, unit: Literal["minor", "major"], currency: str) -> int:
    """An amount as minor units.

    Raises:
        ValueError: it is no number, negative, or finer than the currency's minor unit.
    """
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"The amount {value!r} is not a number.") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"The amount {value} is negative or endless.")
    scaled = amount.scaleb(digits(currency)) if unit == "major" else amount
    if scaled != scaled.to_integral_value():
        raise ValueError(f"The amount {value} is finer than the smallest unit of {currency}.")
    return int(scaled)
