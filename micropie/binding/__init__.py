"""Binding turns a request into the arguments of a handler, by rules that it reads from the handler's signature.

- `signature`: parameters, signatures and dependencies as data
- `signature_reader`: reads a function's signature; refuses one that cannot work
- `markers`: finds markers such as `Query()` in annotations; refuses misplaced ones
- `sources`: chooses where a parameter's value is looked for
- `signature_checks`: finds parameters that contradict each other
- `return_annotation`: reads a return annotation; checks results against it
- `handler`: a bound handler, the modes of calling it, and the parts of a body that it waits for
- `binder_compiler`: writes and compiles the function that finds and converts the values
- `readers`: the reading functions that a compiled binder calls
- `error_report`: lists all errors of a request that could not be bound
- `dependency_graph`: reads the dependencies of a handler
- `dependency_runner`: calls the dependencies before the handler
"""
