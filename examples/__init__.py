"""This folder holds small applications. The test suite runs each on a real server and uses it with a real client."""
