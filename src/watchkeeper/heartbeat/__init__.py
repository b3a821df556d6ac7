"""Signs of life: those that we expect of others (`incoming`, judged by `standing`), and our own, sent outside (`outgoing`).

Both speak as Healthchecks does, so its client scripts and its service fit: an address for success, ``/start``, ``/fail``,
``/<exit status>``.
"""
