"""A stream of a hundred megabytes as lines of JSON: it waits for its reader, and takes no memory that it does not need."""

from processes import forget_peak, peak

SIZE = 64 * 1024
COUNT = 1600
# More than what the connection's buffers hold, less than a tenth of the stream.
AHEAD = 8 << 20


def test_memory_is_flat_whoever_reads(parcels, wire):
    with parcels.client() as other:

        def sent() -> int:
            return other.get("/parcels/count").json()["number"] * SIZE

        # What any call takes has been taken.
        assert other.get("/parcels/many?count=10&size=65536", headers={"accept": "application/x-ndjson"}).is_success
        forget_peak(parcels.pid)
        before, base = sent(), peak(parcels.pid)
        wire.request(f"/parcels/many?count={COUNT}&size={SIZE}", headers=[("accept", "application/x-ndjson")])
        response = wire.head()
        assert (response.status, response.values("content-type")) == (200, ["application/x-ndjson"])
        read = 0
        # A slow reader at first: the servicer waits for it, while others are served.
        for _ in range(50):
            read += len(wire.piece())
            assert sent() - before - read < AHEAD
        while piece := wire.piece():
            read += len(piece)
    assert read == COUNT * (SIZE + len('{"text":""}\n'))
    assert peak(parcels.pid) - base < AHEAD
