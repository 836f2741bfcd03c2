"""The address that callers find the service at. Nobody is let in before there is an answer."""

import socket

from selectivity.errors import ParamsError
from serving.settings import Settings

WAITING = 1_024
"""Callers that may wait to be let in."""


def bind(settings: Settings) -> socket.socket:
    """A socket on the settings' address, which lets nobody in until it listens.

    Another service that is about to start may hold the address as well; who listens first has it.

    Raises:
        ParamsError: the port is taken, or may not be used.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # also just after another start
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise _cannot_listen(settings, error) from error
    return bound


def listen(bound: socket.socket, settings: Settings) -> None:
    """Let callers in: from now on somebody answers.

    Raises:
        ParamsError: another service that had the address as well was ready before.
    """
    try:
        bound.listen(WAITING)
    except OSError as error:
        raise _cannot_listen(settings, error) from error


def _cannot_listen(settings: Settings, error: OSError) -> ParamsError:
    return ParamsError(
        f"The service cannot listen on {settings.host} port {settings.port} "
        f"({error.strerror}). Choose another port with LANES_PORT; 0 takes a free one."
    )


def url_of(listening: socket.socket) -> str:
    """Where callers find the service."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
