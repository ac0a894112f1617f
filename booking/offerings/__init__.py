"""What can be booked, and when: offerings, their weekly templates, and the slots that are made of them.

docs/offerings.md tells it to those who set one up.
"""
