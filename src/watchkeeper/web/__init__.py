"""What people and programs see of the hub: HTTP API, live stream, sign-in and the page."""
