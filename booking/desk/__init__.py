"""The desk: today's list, check-in, walk-ins, booking for callers, sign-in sheets, and working without a network.

docs/desk.md is for those who build a console for it.
"""
