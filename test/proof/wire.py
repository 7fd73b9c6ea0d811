"""TCP proxies that cut, freeze and lose answers, all in one thread."""
import asyncio
import random
import threading


class Wire:
    """A way to `port` of this machine. `port` may be changed: a restarted server listens elsewhere."""

    def __init__(self, loop, to_port):
        self.loop, self.to_port = loop, to_port
        self.live, self.cuts, self.armed = [], 0, None
        self.open = None  # an event that is clear while the way is frozen
        self.server = None

    async def listen(self):
        self.open = asyncio.Event()
        self.open.set()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        pair = {"client": writer, "server": forth, "lose": False}
        pair["tasks"] = [asyncio.ensure_future(self._pump(pair, reader, forth, True)),
                         asyncio.ensure_future(self._pump(pair, back, writer, False))]
        self.live.append(pair)
        try:
            await asyncio.wait(pair["tasks"], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._abort(pair)

    async def _pump(self, pair, reader, writer, forth):
        try:
            while True:
                data = await reader.read(65536)
                if not data:
                    return
                await self.open.wait()
                if forth and self.armed and b"\x03COMMIT" in data:
                    when, self.armed, self.cuts = self.armed, None, self.cuts + 1
                    if when == "before":
                        return
                    pair["lose"] = True  # the server gets it, its answer stays here
                elif not forth and pair["lose"]:
                    return
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            return

    def _abort(self, pair):
        for t in pair["tasks"]:
            t.cancel()
        pair["client"].transport.abort()
        pair["server"].transport.abort()
        if pair in self.live:
            self.live.remove(pair)

    # --- from other threads -----------------------------------------------------------------------
    def _call(self, fn):
        self.loop.call_soon_threadsafe(fn)

    def cut(self, share=1.0, seed=0):
        """Resets connections, each with the chance `share`."""
        rnd = random.Random(seed)
        self._call(lambda: [self._abort(p) for p in list(self.live) if rnd.random() < share])

    def lose_commit(self, when):
        """when: "after" the server got it its answer is lost, "before": it never gets it. The next COMMIT, once."""
        self._call(lambda: setattr(self, "armed", when))

    def freeze(self):
        self._call(lambda: self.open.clear())

    def thaw(self):
        self._call(lambda: self.open.set())


class Wires:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.all = []

    def to(self, port):
        w = Wire(self.loop, port)
        asyncio.run_coroutine_threadsafe(w.listen(), self.loop).result(10)
        self.all.append(w)
        return w

    def close(self):
        async def end():
            for w in self.all:
                w.server.close()
                w.open.set()
                for p in list(w.live):
                    w._abort(p)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
