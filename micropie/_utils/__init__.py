"""This package holds internal helpers that do not depend on routes, handlers or conversion.

- `after_response`: the clean-up that a request runs once its response was sent
- `caching`: a dictionary that fills itself, up to a bound
- `callables`: the function behind a callable, and where it is written
- `codegen`: functions compiled from generated source
- `http_grammar`: the lexical rules of HTTP, as sources of regular expressions
- `lazy_imports`: modules and patterns that are loaded when they are first used
- `resolve_annotations`: string annotations evaluated to types
- `timeouts`: a limit on how long a task waits, by one timer for all tasks of a loop
- `worker_threads`: the threads that blocking handlers run in
"""
