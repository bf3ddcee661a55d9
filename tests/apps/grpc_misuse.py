"""Ways to use a ServicerContext wrongly, by name; each must be refused where it is tried."""

import grpc


async def abort_twice(context):
    try:
        await context.abort(grpc.StatusCode.ABORTED, "once")
    except grpc.aio.AbortError:
        await context.abort(grpc.StatusCode.ABORTED, "twice")


async def send_after_abort(context):
    try:
        await context.abort(grpc.StatusCode.ABORTED, "once")
    except grpc.aio.AbortError:
        await context.send_initial_metadata(())


async def send_twice(context):
    await context.send_initial_metadata((("a", "b"),))
    await context.send_initial_metadata((("a", "b"),))


async def compress_late(context):
    context.set_compression(grpc.Compression.Gzip)
    context.disable_next_message_compression()
    await context.send_initial_metadata(())
    context.set_compression(grpc.Compression.Gzip)


MISUSES = {
    "abort twice": abort_twice,
    "send after abort": send_after_abort,
    "send twice": send_twice,
    "compress late": compress_late,
    "read": lambda context: context.read(),
    "write": lambda context: context.write(b""),
    "initial dict": lambda context: context.send_initial_metadata({"a": "b"}),
    "trailing dict": lambda context: context.set_trailing_metadata({"a": "b"}),
    "trailing triple": lambda context: context.set_trailing_metadata((("a", "b", "c"),)),
    "trailing number": lambda context: context.set_trailing_metadata((("a", 1),)),
    "upper case": lambda context: context.send_initial_metadata((("A", "b"),)),
    "text for bytes": lambda context: context.send_initial_metadata((("a-bin", "b"),)),
    "details": lambda context: context.set_details(5),
    "abort metadata": lambda context: context.abort(grpc.StatusCode.ABORTED, "", {"a": "b"}),
}
