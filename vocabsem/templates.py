"""A template: text with the names of fields in braces, which ends where the label word follows."""

import string


def field_names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def checked_template(template: str) -> str:
    """`template`; raises ValueError where it could not be filled in or would tear the label word from its space."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"is not a template: {error}") from None
    for _, name, spec, conversion in parts:
        if name is not None and (not name.isidentifier() or spec or conversion):
            raise ValueError(f"has the field {{{name}}}: write only plain names, as in {{text}}")
    if template != template.rstrip():
        raise ValueError("ends in white space: the label word brings its own leading space")
    return template
