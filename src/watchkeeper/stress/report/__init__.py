"""The report of a run: everything it can be believed for, in one file that opens anywhere, and the same numbers for programs.

`reading` goes once through a record and makes a `digest` of it, of bounded size and without loss where percentiles are
concerned; `building` makes the `document` of that, with every number of the report; `page`, `summary`, `junit`, `sheet` and
`hdrlog` only write it down. So a digest that was kept gives the same report again, to the last digit.
"""
