"""The only rooms that change the world: libbpf, objects, loading, running. Bytes in, bytes out."""
