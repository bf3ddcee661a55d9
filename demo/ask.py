#!/usr/bin/env python3
"""Calls the demo's services with grpcio, as any client would: ``demo/ask.py 127.0.0.1:8080``."""

import sys

import grpc
from shop.v1 import demo_pb2, demo_pb2_grpc, shop_pb2, shop_pb2_grpc


def main(target: str) -> None:
    """An addition, the books, and an error."""
    with grpc.insecure_channel(target) as channel:
        demo = demo_pb2_grpc.DemoServiceStub(channel)
        shop = shop_pb2_grpc.ShopServiceStub(channel)
        print("1 + 2 =", demo.Add(demo_pb2.AddRequest(a=1, b=2)).o)
        for book in shop.ListBooks(shop_pb2.ListBooksRequest()).books:
            print(f"{book.id:>5}  {book.title}, {book.author}")
        try:
            demo.Add(demo_pb2.AddRequest())
        except grpc.RpcError as error:
            print(error.code().name, error.details())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080")
