"""This package measures micropie beside its peers: `python -m benchmarks`.

README.md says what it measures, how it does that and how to read the figures. `workloads`, `client`, `worker` and
`apps` run inside the interpreter of a peer. They use the standard library alone, because that interpreter may have
nothing else. The other modules run once, in the interpreter that was started, and need msgspec:

    workloads   the table of requests and expected responses
    client      sends a request to an app by ASGI messages, and times it
    worker      a process that runs one app and sends it requests on command
    peers       finds the frameworks that take part, and their interpreters
    workers     starts, commands and ends the worker processes
    processes   starts server processes, watches them through /proc, ends them
    wire        HTTP and WebSockets over a socket, byte by byte
    load        many connections at once, by wrk or by a simple generator
    results     samples, and the figures that follow from them
    plan        the sizes of a run, and the order of the peers in each round
    calls, servers, uploads, growth   the four suites
    reporting   JSON, Markdown and SVG
    instructions   counts the machine instructions of a request
"""
