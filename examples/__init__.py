"""Small real applications, each run by the test suite with a real client against a real server."""
