"""The judge at work in the hub: figures, statuses and events in, rows and messages out.

`bench` joins the parts and runs them; `hearing` takes what comes in, `asking` has the engine answer what looks back,
`keeping` writes and restores, `messages` makes bulletins, `people` does what people ask for, `looking_back` replays history,
`blindness` asks the witnesses. What is decided, is decided in `alert`; nothing here knows a rule's meaning. A change of
state is a row before it is told.
"""
