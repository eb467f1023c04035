"""The same application in every framework, a file for each.

A module here has `app`, which answers the workloads of `benchmarks.workloads`; `with_sessions` and `with_middleware`;
and the functions `routes(count)` and `parameters(count)`, which make an app that has that many routes, or a handler
with that many parameters. `LACKS` says, by the workload's name, what a framework has no way to do, and why.

What a framework documents as the fastest way to do the same validated work is what it does here; where it has no way of
its own to validate, msgspec does it.
"""
