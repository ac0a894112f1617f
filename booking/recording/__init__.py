"""Writing a reservation down: for what, who may, and all the rows that belong to it.

Shared by those who book and by the waiting list, which books for whoever is next.
"""
