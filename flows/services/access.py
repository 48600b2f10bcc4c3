"""Access to the servers of a home: by its secret, or by a link made for one browser.

Programs send the secret with each request (HTTP Basic). A browser opens a link with a ticket, a file that the server
removes as it lets the browser in: a link that stays in a terminal or a history is good for nothing.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

from warehouse.home import Home
from warehouse.lake import atomic

KEY = "key"  # the parameter of a link that holds its ticket
TICKET = re.compile("[0-9a-f]{32}")


def secret_file(home: Home) -> Path:
    return home.root / "access" / "secret"


def secret(home: Home) -> str:
    """Return the home's secret, USER:PASSWORD, made at the first call. Only its owner can read it."""
    file = secret_file(home)
    with atomic.locked(file.parent):
        file.parent.chmod(0o700)  # the names of tickets are secret too
        if not file.exists():
            with atomic.replaced(file) as temporary:
                temporary.touch(0o600)
                temporary.write_text(f"vocabsem:{secrets.token_urlsafe(32)}")
    return file.read_text()


def basic(home: Home) -> str:
    """Return the secret as HTTP's Basic authentication spells it."""
    return b64encode(secret(home).encode()).decode()


def link(home: Home, address: str) -> str:
    """Return the address with a ticket: it lets one browser in, once."""
    ticket = secrets.token_hex(16)
    secret(home)
    (secret_file(home).parent / ticket).touch(0o600)
    parts = urlsplit(address)
    query = "&".join(filter(None, [parts.query, f"{KEY}={ticket}"]))
    return parts._replace(path=parts.path or "/", query=query).geturl()


def redeem(home: Home, ticket: str) -> bool:
    """Use up a ticket; returns whether it was good."""
    if not TICKET.fullmatch(ticket):
        return False
    try:
        (secret_file(home).parent / ticket).unlink()
    except FileNotFoundError:
        return False
    return True


def discard_tickets(home: Home) -> None:
    """Invalidate all links that were not opened."""
    for file in secret_file(home).parent.glob("*"):
        if TICKET.fullmatch(file.name):
            file.unlink(missing_ok=True)


def cookie(home: Home) -> tuple[str, str]:
    """Return name and value of the cookie of a browser that was let in. The secret cannot be learned from them."""
    name, value = (hmac.new(secret(home).encode(), word, hashlib.sha256).hexdigest() for word in (b"name", b"value"))
    return f"vocabsem-{name[:8]}", value
