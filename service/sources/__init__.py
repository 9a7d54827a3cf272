"""Files that a client names and the service fetches: from hosts and buckets that its operator lists, and nowhere else.

`places` decides what may be named, `addresses` what may be connected to, `web` and `buckets` fetch, `fetching` puts
them together. Leaves what a file is to `service.datasets`.
"""
