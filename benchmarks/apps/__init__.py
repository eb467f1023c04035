"""This package holds the same application in every framework, with a module for each.

A module has the objects `app`, which answers the workloads of `benchmarks.workloads`, `with_sessions` and
`with_middleware`. Its functions `routes(count)` and `parameters(count)` build an app that has `count` routes, or a
handler with `count` parameters. `LACKS` gives the reason why a framework cannot do a workload, by the workload's name.

Every app does the validated work in the way that the documentation of its framework calls the fastest. Frameworks
without validation use msgspec.
"""
