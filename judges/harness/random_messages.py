"""Random messages of any type, filled by its descriptor: what generated code would accept and ProtoJSON has a form for."""

import math
import random
import struct
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

TEXTS = ("", "plain", 'a "quoted" \\ one', "\n\t\r\b\f\x00\x1f\x7f", "größer", "日本語", "😀", "\u2028", "a/b", "x" * 200)
INT32 = (0, 1, -1, 127, 128, 2**31 - 1, -(2**31))
INT64 = (*INT32, 2**53 + 1, 2**63 - 1, -(2**63))
UINT32 = (0, 1, 127, 128, 2**32 - 1)
UINT64 = (*UINT32, 2**53 + 1, 2**64 - 1)
DOUBLES = (0.0, -0.0, 1.0, -1.5, 0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, math.inf, -math.inf)
FLOATS = (0.0, -0.0, 1.0, -1.5, 0.5, 16777216.0, math.inf, -math.inf)
TIMESTAMP = (-62135596800, 253402300799)
DURATION = 315576000000
NUMBERS = {
    FieldDescriptor.TYPE_INT32: INT32,
    FieldDescriptor.TYPE_SINT32: INT32,
    FieldDescriptor.TYPE_SFIXED32: INT32,
    FieldDescriptor.TYPE_INT64: INT64,
    FieldDescriptor.TYPE_SINT64: INT64,
    FieldDescriptor.TYPE_SFIXED64: INT64,
    FieldDescriptor.TYPE_UINT32: UINT32,
    FieldDescriptor.TYPE_FIXED32: UINT32,
    FieldDescriptor.TYPE_UINT64: UINT64,
    FieldDescriptor.TYPE_FIXED64: UINT64,
}


class Messages:
    """Makes messages; the same seed makes the same one."""

    def __init__(self, pool: DescriptorPool, seed: int) -> None:
        self._pool = pool
        self._random = random.Random(seed)

    def message(self, name: str, depth: int = 3) -> Message:
        """A message of the type of this name, of at most so many within each other."""
        return self._of(self._pool.FindMessageTypeByName(name), depth)

    def _of(self, descriptor: Descriptor, depth: int) -> Message:
        message = message_factory.GetMessageClass(descriptor)()
        self._fill(message, depth)
        return message

    def _fill(self, message: Message, depth: int) -> None:
        known = getattr(self, "_fill_" + message.DESCRIPTOR.full_name.removeprefix("google.protobuf.").lower(), None)
        if known is not None and message.DESCRIPTOR.full_name.startswith("google.protobuf."):
            known(message, depth)
            return
        often = self._random.choice((0.1, 0.5, 0.9))
        for field in message.DESCRIPTOR.fields:
            if field.is_required or (self._random.random() < often and (depth or field.message_type is None)):
                self._set(message, field, depth)

    def _set(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._set_map(getattr(message, field.name), field, depth)
        elif field.is_repeated:
            values = getattr(message, field.name)
            for _ in range(self._random.randrange(4)):
                if field.message_type is None:
                    values.append(self._scalar(field))
                else:
                    self._fill(values.add(), depth - 1)
        elif field.message_type is not None:
            value = getattr(message, field.name)
            value.SetInParent()
            self._fill(value, depth - 1)
        else:
            setattr(message, field.name, self._scalar(field))

    def _set_map(self, entries: Any, field: FieldDescriptor, depth: int) -> None:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self._random.randrange(4)):
            name = self._scalar(key)
            if value.message_type is None:
                entries[name] = self._scalar(value)
            else:
                self._fill(entries[name], depth - 1)

    def _scalar(self, field: FieldDescriptor) -> Any:
        choose = self._random.choice
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return self._text()
            case FieldDescriptor.TYPE_BYTES:
                return self._random.randbytes(choose((0, 1, 2, 3, 30)))
            case FieldDescriptor.TYPE_BOOL:
                return choose((False, True))
            case FieldDescriptor.TYPE_ENUM:
                return choose(field.enum_type.values).number
            case FieldDescriptor.TYPE_DOUBLE:
                return choose((choose(DOUBLES), self._random.uniform(-1e6, 1e6), self._bits("<Q", "<d", 64)))
            case FieldDescriptor.TYPE_FLOAT:
                return choose((choose(FLOATS), self._bits("<I", "<f", 32)))
            case number:
                return choose(NUMBERS[number])

    def _text(self) -> str:
        letters = "".join(chr(self._random.choice((97, 65, 0x20, 0xE9, 0x4E00, 0x1F600)) + n) for n in range(3))
        return self._random.choice((*TEXTS, letters))

    def _bits(self, whole: str, real: str, bits: int) -> float:
        """Any finite number."""
        (value,) = struct.unpack(real, struct.pack(whole, self._random.getrandbits(bits)))
        return value if math.isfinite(value) else 0.25

    def _nanos(self) -> int:
        return self._random.choice((0, 1, 1_000, 1_000_000, 120_000_000, 999_999_999))

    def _fill_timestamp(self, message: Any, _: int) -> None:
        message.seconds = self._random.choice((*TIMESTAMP, 0, -1, self._random.randint(*TIMESTAMP)))
        message.nanos = self._nanos()

    def _fill_duration(self, message: Any, _: int) -> None:
        sign = self._random.choice((1, -1))
        message.seconds = sign * self._random.choice((0, 1, DURATION, self._random.randrange(DURATION)))
        message.nanos = sign * self._nanos()

    def _fill_fieldmask(self, message: Any, _: int) -> None:
        message.paths.extend(self._random.sample(("a", "foo_bar", "a.b_c.d", "x1.y_z"), self._random.randrange(4)))

    def _fill_any(self, message: Any, _: int) -> None:
        # No maps inside: their order within the bytes of an Any is nobody's. No Empty: json_format leaves out its "value",
        # which protobuf's C++ writes.
        names = ("Timestamp", "Duration", "Int64Value", "StringValue", "FieldMask", "DoubleValue")
        self._pack(message, self.message(f"google.protobuf.{self._random.choice(names)}", 0))

    def _pack(self, message: Any, held: Message) -> None:
        message.type_url = f"type.googleapis.com/{held.DESCRIPTOR.full_name}"
        message.value = held.SerializeToString(deterministic=True)

    def _fill_struct(self, message: Any, depth: int) -> None:
        for _ in range(self._random.randrange(3)):
            self._fill_value(message.fields[self._text()], depth - 1)

    def _fill_listvalue(self, message: Any, depth: int) -> None:
        for _ in range(self._random.randrange(3)):
            self._fill_value(message.values.add(), depth - 1)

    def _fill_value(self, message: Any, depth: int) -> None:
        kind = self._random.randrange(6 if depth > 0 else 4)
        match kind:
            case 0:
                message.null_value = 0
            case 1:
                message.number_value = self._random.choice([value for value in DOUBLES if math.isfinite(value)])
            case 2:
                message.string_value = self._text()
            case 3:
                message.bool_value = self._random.choice((False, True))
            case 4:
                message.struct_value.SetInParent()
                self._fill_struct(message.struct_value, depth)
            case _:
                message.list_value.SetInParent()
                self._fill_listvalue(message.list_value, depth)
