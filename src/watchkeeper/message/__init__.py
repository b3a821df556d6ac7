"""What a bulletin looks like to a person: its facts in order (`facts`), and these as text, short text, HTML and a picture.

Pure: the same bulletin is always the same message, so an attempt that is repeated sends the same again. Channels come in;
nothing here knows one. All text is somebody else's (log lines, names of processes): it is cleaned of control signs here and
bounded.
"""
