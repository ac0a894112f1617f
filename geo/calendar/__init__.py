"""The work calendar: workdays, holidays, make-up workdays (调休), school terms; files that announce them, and the store."""
