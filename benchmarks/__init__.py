"""Micropie and its peers, measured side by side: `python -m benchmarks`. README.md says what, how, and how to read it.

What runs inside a peer's own interpreter is written with the standard library alone, because that interpreter may have
nothing else: `workloads`, `client`, `worker` and `apps`. The rest runs once, in the interpreter that was started, and
needs msgspec:

    workloads   what is asked, and what must be answered: one table
    client      a request to an app by ASGI messages: its answer, or its time
    worker      a process that has one app and asks it what it is told to
    peers       who takes part, in which interpreter, and who is left out
    workers     the worker processes, from outside
    processes   server processes: started, watched through /proc, ended
    wire        HTTP and WebSockets over a socket, byte by byte
    load        many connections at once: wrk, or a generator of our own
    results     samples, and what follows from them
    calls, servers, uploads, growth   the four suites
    reporting   Markdown and SVG
"""
