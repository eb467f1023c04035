"""This shop keeps its cart in a session, and its login gives the session a new identifier.

Try it:

    micropie run --app-dir examples sessions:app

Then open http://localhost:8000/.
"""

from html import escape
from typing import Annotated, Any

from msgspec import Meta

from micropie import App, Form, HTTPError, Session

USERS = {"ann": "secret"}
PAGE = """<!doctype html><title>Shop</title>
<p>{who}, you have {items} in your cart. Visits: {visits}.</p>
<form method="post" action="/add"><input name="item" required><button>Add</button></form>
<form method="post" action="/login">
  <input name="user"><input name="password" type="password"><button>Log in</button>
</form>
<form method="post" action="/logout"><button>Log out</button></form>
"""


class Shop(App):
    async def index(self) -> str:
        """Show the cart and count the visits."""
        session = self.request.session
        session["visits"] = session.get("visits", 0) + 1
        items = ", ".join(session.get("cart", [])) or "nothing"
        return PAGE.format(who=escape(session.get("user", "Stranger")), items=escape(items), visits=session["visits"])

    async def add(self, item: Annotated[str, Meta(min_length=1, max_length=40), Form()]) -> tuple[int, str, Any]:
        self.request.session.setdefault("cart", []).append(item)  # nested changes are saved, too
        return self._redirect("/")

    async def login(self, user: Annotated[str, Form()], password: Annotated[str, Form()]) -> tuple[int, str, Any]:
        """Log the user in, and change the identifier of the session, so that an older one cannot be used."""
        if USERS.get(user) != password:
            raise HTTPError(403, "Unknown user or wrong password")
        self.request.regenerate_session()
        self.request.session["user"] = user
        return self._redirect("/")

    async def logout(self) -> tuple[int, str, Any]:
        self.request.session.clear()
        return self._redirect("/")

    async def account(self, user: Annotated[str | None, Session()] = None) -> dict[str, str]:
        """Return the user who is logged in. Because of `Session()`, a client cannot send another name."""
        if user is None:
            raise HTTPError(401, "Log in first", [("WWW-Authenticate", "Cookie")])
        return {"user": user}


app = Shop()
