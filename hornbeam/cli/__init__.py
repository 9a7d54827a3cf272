"""The command line, `hornbeam`. It talks HTTP, through `hornbeam.client`; `up` and `demo` start the service first.

`main` puts the commands together; each lives in the module that is named for it.
"""
