"""What tests need of the world outside Python: a browser, and what npm installs."""
