"""This package reads HTML forms that are shown again with their errors, and renders their fields.

- `form_result`: `FormResult`, a form's value or its errors by field, and how it is read from a request
- `html`: the attributes, options and errors of a form's fields as HTML
"""

from .form_result import FormResult

__all__ = ["FormResult"]
