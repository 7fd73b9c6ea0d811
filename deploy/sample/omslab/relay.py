"""A TCP relay on loopback whose traffic can be held: a network that is cut without saying so."""
import selectors
import socket
import threading


class Relay:
    def __init__(self, to_port):
        self._to, self._held, self._ended = to_port, False, False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def hold(self):
        """From now on nothing passes, either way; connections stay open."""
        self._held = True

    def release(self):
        self._held = False

    def close(self):
        self._ended = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _drop(self, *pair):
        for s in pair:
            try:
                self._selector.unregister(s)
            except (KeyError, ValueError):
                pass
            s.close()

    def _take(self, s, peer):
        if peer is None:
            client, _ = s.accept()
            server = socket.create_connection(("127.0.0.1", self._to))
            self._selector.register(client, selectors.EVENT_READ, server)
            self._selector.register(server, selectors.EVENT_READ, client)
            return
        try:
            data = s.recv(65536)
            if data:
                peer.sendall(data)
                return
        except OSError:
            pass
        self._drop(s, peer)

    def _run(self):
        pause = threading.Event()
        while not self._ended:
            if self._held:
                pause.wait(0.05)
                continue
            for key, _ in self._selector.select(0.1):
                if not self._held and key.fileobj.fileno() >= 0:
                    self._take(key.fileobj, key.data)
