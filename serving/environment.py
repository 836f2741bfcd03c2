"""Settings of the service from environment variables that begin with LANES_.

Nothing here reads the environment: `serving.main` hands it over.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from selectivity.errors import ParamsError
from selectivity.similar import closest
from serving.settings import Settings

PREFIX = "LANES_"
SECRET = {"api_key", "database"}
"""Never shown, not even when they cannot be used."""


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Settings from the LANES_ variables among these.

    Raises:
        ParamsError: a variable is not known, or its value cannot be used.
    """
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value  # set to nothing means not set
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise ParamsError(_first_problem(error)) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ") + "."
    name = str(first["loc"][0])
    variable = PREFIX + name.upper()
    if first["type"] == "extra_forbidden":
        close = closest(name, Settings.model_fields)
        remedy = f"Did you mean {PREFIX}{close.upper()}?" if close else "Unset it."
        return f"The variable {variable} is not known. {remedy}"  # its value may be a secret
    problem = first["msg"].removeprefix("Value error, ")
    shown = "what it is" if name in SECRET else f"{first['input']!r:.60}"
    return f"{variable} cannot be {shown}: {problem}. Correct the variable, or {_unset(name)}"


def _unset(name: str) -> str:
    """What comes of leaving it out."""
    field = Settings.model_fields[name]
    if field.default is not None:
        return f"unset it to get the default, {field.default}."
    return f"unset it. It is for this: {field.description}"
