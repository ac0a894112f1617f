"""Other people's files made into sites: read, map, check, report, apply. `docs/importing.md` is the clerk's view.

The path of a file: `readers` (what is it) -> `opening` (can it be used) -> `mapping`, `fields` (which column means
what) -> `places` (coordinates) -> `build` (rows to SiteIn) -> `checks`, `known` (the file as a whole) -> `run`.
"""
