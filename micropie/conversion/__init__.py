"""This package converts between Python types and what a request or a message holds.

- `converter`: makes the functions that read one type, and finds the errors in what does not fit
- `unwrap_annotated`: takes annotations apart, and refuses types that cannot be read
- `type_info`: answers questions about the structure of a type
- `error_wording`: words what a type expects
- `from_text`: reads one text, or the texts of one name
- `to_text`: writes values as texts and fields
- `declared_types`: leaves out of what is sent the fields that its type does not declare
- `to_declared`: takes a type apart for them
- `from_fields`: reads a structured type from the names of a form or a query
- `json_errors`: finds everything that is wrong with a JSON value
- `error_search`: holds the search that collects those errors, and the interface of a check
- `scalar_checks`: checks single JSON values for them
- `json_pointer`: writes JSON pointers
- `hash_collisions`: refuses JSON with numbers that were chosen to share one hash
- `dataclass_defaults`: sets the defaults of plain dataclasses
- `exceptions`: lists the exceptions that a conversion raises for bad input
"""
