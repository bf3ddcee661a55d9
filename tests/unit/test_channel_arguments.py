"""What grpc's channel arguments mean here."""

import dataclasses

import pytest
from narthex.config import Config
from narthex.grpc import channel_arguments

NEVER = (1 << 31) - 1


def check(options, **expected):
    assert channel_arguments.read(options).config == expected


def test_each_becomes_a_field_of_the_configuration():
    check([("grpc.max_receive_message_length", 1000)], grpc_max_message=1000)
    check([("grpc.max_receive_message_length", -1)], grpc_max_message=(1 << 32) - 1)
    check([(b"grpc.max_concurrent_streams", 7)], h2_max_streams=7)
    check([("grpc.max_connection_idle_ms", 1500)], h2_idle_timeout=1.5)
    check([("grpc.max_connection_idle_ms", NEVER)], h2_idle_timeout=None)
    check(
        [("grpc.max_connection_age_ms", 2000), ("grpc.max_connection_age_grace_ms", 500)],
        max_connection_age=2.0,
        max_connection_age_grace=0.5,
    )
    check([("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_timeout_ms", 50)], h2_ping_interval=10.0, h2_ping_timeout=0.05)
    check([("grpc.http2.max_ping_strikes", 0)], h2_ping_strikes=0)
    check([("grpc.http2.min_recv_ping_interval_without_data_ms", 100)], h2_ping_min_interval=0.1)
    fields = {field.name for field in dataclasses.fields(Config)}
    assert {key for key, _ in channel_arguments._READERS.values()} <= fields


def test_the_last_of_a_name_counts_and_the_hard_limit_of_metadata():
    check([("grpc.max_concurrent_streams", 7), ("grpc.max_concurrent_streams", 8)], h2_max_streams=8)
    check([("grpc.max_metadata_size", 8192)], max_header_size=10240)
    check([("grpc.absolute_max_metadata_size", 9000), ("grpc.max_metadata_size", 8192)], max_header_size=9000)


def test_ports_are_shared_unless_said_otherwise():
    assert channel_arguments.read([]).reuse_port
    assert not channel_arguments.read([("grpc.so_reuseport", 0)]).reuse_port


def test_what_is_not_known_is_told_once(caplog):
    for _ in range(2):
        check([("grpc.of_a_later_version", 1), ("grpc.http2.bdp_probe", 1)])
    assert [record.getMessage() for record in caplog.records] == [
        "The channel argument grpc.of_a_later_version is not known to Narthex and has no effect"
    ]


def test_a_value_must_be_a_number():
    with pytest.raises(ValueError, match=r"grpc\.max_concurrent_streams takes a number, not 'many'"):
        channel_arguments.read([("grpc.max_concurrent_streams", "many")])
