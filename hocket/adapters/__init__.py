"""All the I/O: sockets, TLS, processes, stores, files, speakers."""
