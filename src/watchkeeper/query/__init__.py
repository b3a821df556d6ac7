"""Questions over a store: the floor between where figures are kept and who shows them.

`ranges` has the functions over time that charts need. PromQL will stand on the same functions; nothing
here knows a page, a route or a file.
"""
