"""What several tests stand on: real parts put together, nothing pretended."""
