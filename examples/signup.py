"""This app shows a form again with the errors of each field, and keeps a typed session.

Try it:

    micropie run --app-dir examples signup:app

Then open http://localhost:8000/signup.
"""

from datetime import date
from html import escape
from typing import Annotated, Literal

from msgspec import Meta, Struct

from micropie import App, File, FormResult, Session, UploadFile

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,">
<style>label, button {{ display: block; margin-top: 1em }} .error {{ color: #b00 }}</style>
<h1>{title}</h1>
{body}</html>
"""
FIELDS = """<form method="post" enctype="multipart/form-data">
{whole}
<label>Name <input {name}></label> {name_error}
<label>Age <input {age}></label> {age_error}
<label>Born on <input {born}></label> {born_error}
<label>Plan <select {plan}>{plans}</select></label> {plan_error}
<label>About you <textarea {about}>{about_text}</textarea></label> {about_error}
<label>Picture <input {picture}></label> {picture_error}
<label>Send news <input {news}></label> {news_error}
<label>I agree to the terms <input {terms}></label> {terms_error}
<button>Sign up</button>
</form>
"""


class Signup(Struct):
    name: Annotated[str, Meta(min_length=2, max_length=20, pattern="^[A-Za-z]+$")]
    age: Annotated[int, Meta(ge=18, le=150)]
    plan: Literal["small", "medium", "large"]
    terms: Literal[True]
    born: date | None = None
    about: Annotated[str, Meta(max_length=200)] = ""
    picture: Annotated[UploadFile | None, File(max_size=100_000, content_types=["image/*"])] = None
    news: bool = True

    def __post_init__(self) -> None:
        if self.plan == "small" and self.picture is not None:
            raise ValueError("The small plan has no pictures")


class Visitor(Struct):
    """The typed session. Changes that a handler makes are saved."""

    name: str | None = None
    plan: str = "none"
    visits: int = 0


def form_page(form: FormResult[Signup]) -> str:
    """Render the form with its texts and errors. Every value from the form is escaped."""
    types = {"about": "textarea"}
    fields = {name: form.attributes(name, types.get(name)) for name in Signup.__struct_fields__}
    errors = {f"{name}_error": form.error(name) for name in Signup.__struct_fields__}
    texts = {"whole": form.error(), "plans": form.options("plan"), "about_text": escape(form.text("about"))}
    return PAGE.format(title="Sign up", body=FIELDS.format(**fields, **errors, **texts))


class Site(App):
    async def index(self, visitor: Annotated[Visitor, Session()]) -> str:
        """Greet the visitor and count the visits."""
        if visitor.name is None:
            return PAGE.format(title="Welcome", body='<a href="/signup">Sign up</a>')
        visitor.visits += 1
        body = f"<p>Your plan: {escape(visitor.plan)}. Visits: {visitor.visits}."
        return PAGE.format(title=f"Welcome, {escape(visitor.name)}", body=body)

    async def signup(
        self, form: FormResult[Signup], visitor: Annotated[Visitor, Session()]
    ) -> tuple[int, str, list[tuple[str, str]]]:
        """Show the form, or sign the visitor up if it is valid."""
        if form.value is None:
            return 422 if form.submitted else 200, form_page(form), []
        self.request.regenerate_session()
        visitor.name, visitor.plan = form.value.name, form.value.plan
        return self._redirect("/")


app = Site()
