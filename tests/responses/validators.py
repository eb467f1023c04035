"""This module holds the validators of a file, and dates around its last modification."""

from micropie.responses.etags import Validators

MODIFIED = 784111777
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = b"Sun, 06 Nov 1994 08:49:38 GMT"
CURRENT = Validators(b'"v1"', MODIFIED)
WEAK = Validators(b'W/"v1"', MODIFIED)
