"""Slots that will not take place: closed with their site or one by one, and everybody told, moved or cancelled.

Closing is one UPDATE, in the transaction of whoever decides it. Telling people is the worker's: each reservation in a
transaction of its own, so that one that cannot be moved keeps nobody else waiting.
"""
