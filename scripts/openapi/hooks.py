"""Lets schemathesis look into bodies that it would not look into by itself: receipts, and bytes, one character for each."""

import schemathesis


@schemathesis.deserializer("application/vnd.c2sp.tlog-proof")
def receipt(context, response):
    return response.content.decode("utf-8")


@schemathesis.deserializer("application/octet-stream")
def octets(context, response):
    return response.content.decode("latin-1")
