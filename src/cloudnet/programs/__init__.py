"""The two command lines: `cloud-server` and `cloud-client`."""
